import { useEffect, useState } from "preact/hooks";

import { explain } from "../shared/problems";
import { Button } from "../shared/ui/button";
import { Moment } from "../shared/ui/times";
import * as api from "./account-api";

const PARTS: Record<api.Part, string> = { contact: "Contact", billing: "Billing" };

/** Who changed and confirmed what, and when. ``changes`` counts what has been done here: each is a reason to look again. */
export function AccountHistory({ changes }: { changes: number }) {
  const [entries, setEntries] = useState<api.Entry[] | null>(null);
  const [next, setNext] = useState<string | null>(null);
  const [problem, setProblem] = useState("");
  const load = async (after: string | null) => {
    setProblem("");
    try {
      const page = await api.getHistory(after);
      setEntries((before) => (after && before ? [...before, ...page.entries] : page.entries));
      setNext(page.next);
    } catch (error) {
      setProblem(explain(error));
    }
  };
  useEffect(() => void load(null), [changes]);
  return (
    <section class="account-section" aria-labelledby="history-title">
      <h2 id="history-title">History</h2>
      {problem && (
        <p class="note problem" role="alert">
          {problem}
        </p>
      )}
      {entries?.length === 0 && <p>Nothing has been given yet.</p>}
      {entries !== null && entries.length > 0 && <Table entries={entries} />}
      {next && (
        <Button look="quiet small" onClick={() => load(next)}>
          Show more
        </Button>
      )}
    </section>
  );
}

function Table({ entries }: { entries: readonly api.Entry[] }) {
  return (
    <div class="table-scroll">
      <table>
        <caption class="visually-hidden">Changes, the newest first</caption>
        <thead>
          <tr>
            <th scope="col">When</th>
            <th scope="col">Who</th>
            <th scope="col">What</th>
          </tr>
        </thead>
        <tbody>
          {entries.map(({ entry_id, part, act, changes, operator_name, happened_at }) => (
            <tr key={entry_id} data-testid="history-entry" data-part={part} data-act={act}>
              <td>
                <Moment at={happened_at} />
              </td>
              <td>{operator_name}</td>
              <td>
                {PARTS[part]} {act}
                {changes.length > 0 && (
                  <ul class="account-changes">
                    {changes.map(({ field, before, after }) => (
                      <li key={field}>
                        {fieldName(field)}: {before ? <del>{before}</del> : "nothing"} → {after ? <ins>{after}</ins> : "nothing"}
                      </li>
                    ))}
                  </ul>
                )}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function fieldName(field: string): string {
  return field.replace("address.", "").replaceAll("_", " ");
}
