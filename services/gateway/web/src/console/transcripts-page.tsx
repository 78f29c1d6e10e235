import { useEffect, useRef, useState } from "preact/hooks";

import { explain } from "../shared/problems";
import { Button } from "../shared/ui/button";
import { Moment } from "../shared/ui/times";
import * as api from "./api";
import { hrefOf } from "./route";

const LOOK_AGAIN_MS = 4_000;

export function TranscriptsPage() {
  const { rows, next, isBusy, problem, load } = useTranscripts();
  return (
    <main class="page">
      <div class="page-head">
        <h1>Transcripts</h1>
        <Button look="quiet small" isBusy={isBusy} data-testid="refresh" onClick={() => load(null)}>
          Refresh
        </Button>
      </div>
      {problem && (
        <p class="note problem" role="alert">
          {problem}
        </p>
      )}
      {rows === null && isBusy && <p class="loading">Loading transcripts…</p>}
      {rows?.length === 0 && <p class="page-empty">No transcripts yet. One appears here when a conversation has ended and is sealed.</p>}
      {rows !== null && rows.length > 0 && <Table rows={rows} />}
      {next && (
        <Button look="quiet" isBusy={isBusy} onClick={() => load(next)}>
          Show more
        </Button>
      )}
    </main>
  );
}

function Table({ rows }: { rows: readonly api.TranscriptRow[] }) {
  return (
    <div class="table-scroll">
      <table>
        <caption class="visually-hidden">Sealed transcripts, newest first</caption>
        <thead>
          <tr>
            <th scope="col">Visitor</th>
            <th scope="col">Ended</th>
            <th scope="col">Operators</th>
            <th scope="col" class="number">
              Messages
            </th>
            <th scope="col">Storage</th>
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={row.transcript_id} data-testid="transcript-row" data-transcript-id={row.transcript_id}>
              <td>
                <a class="row-link" href={hrefOf.transcript(row.transcript_id)}>{row.visitor_name || "Visitor"}</a>
              </td>
              <td>
                <Moment at={row.closed_at} />
              </td>
              <td>{row.operators.join(", ") || "Nobody"}</td>
              <td class="number">{row.message_count}</td>
              <td>
                <Storage storage={row.storage} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

export function Storage({ storage }: { storage: api.TranscriptRow["storage"] }) {
  return (
    <span class={`tag ${storage}`} data-testid="storage" data-storage={storage}>
      {storage === "archived" ? "Archived" : "Live"}
    </span>
  );
}

function useTranscripts() {
  const [rows, setRows] = useState<api.TranscriptRow[] | null>(null);
  const [next, setNext] = useState<string | null>(null);
  const [isBusy, setBusy] = useState(true);
  const [problem, setProblem] = useState("");
  const hasMoreThanFirstPage = useRef(false);
  const load = async (after: string | null) => {
    setBusy(true);
    setProblem("");
    try {
      const page = await api.listTranscripts(after);
      setRows((before) => (after && before ? [...before, ...page.transcripts] : page.transcripts));
      setNext(page.next);
      hasMoreThanFirstPage.current = after !== null;
    } catch (error) {
      setProblem(explain(error));
    }
    setBusy(false);
  };
  const lookAgain = async () => {
    if (hasMoreThanFirstPage.current || document.hidden) return;
    const page = await api.listTranscripts(null).catch(() => null);
    if (!page || hasMoreThanFirstPage.current) return;
    setRows(page.transcripts);
    setNext(page.next);
    setProblem("");
  };
  useEffect(() => {
    void load(null);
    // A transcript is sealed a moment after its conversation ended, often while somebody waits for it here.
    const timer = setInterval(() => void lookAgain(), LOOK_AGAIN_MS);
    return () => clearInterval(timer);
  }, []);
  return { rows, next, isBusy, problem, load };
}
