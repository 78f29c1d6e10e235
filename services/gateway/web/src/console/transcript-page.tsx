import { useEffect, useState } from "preact/hooks";

import { Problem, explain } from "../shared/problems";
import type { Placement } from "../shared/survey";
import { MessageList } from "../shared/ui/message-list";
import { Refused } from "../shared/ui/refused";
import { Moment, dayOf } from "../shared/ui/times";
import * as api from "./api";
import { Detail } from "./conversation-pane";
import { hrefOf } from "./route";
import { Trail } from "./trail";
import { Storage } from "./transcripts-page";

const SEALING_CHECK_MS = 1_500;
const SEALING_CHECKS = 8;

export function TranscriptPage({ transcriptId }: { transcriptId: string }) {
  const { transcript, problem, isSealing, retry } = useTranscript(transcriptId);
  return (
    <main class="page wide">
      <a class="up" href={hrefOf.transcripts}>
        All transcripts
      </a>
      {isSealing && (
        <p class="loading" role="status">
          Not there yet: a transcript is sealed shortly after the conversation ends…
        </p>
      )}
      {problem && <Refused problem={problem} onRetry={retry} />}
      {!transcript && !isSealing && !problem && <p class="loading">Loading the transcript…</p>}
      {transcript && <Sealed transcript={transcript} />}
    </main>
  );
}

function Sealed({ transcript }: { transcript: api.Transcript }) {
  const { visitor_name, opened_at, messages, operators, storage } = transcript;
  return (
    <article class="transcript" data-testid="transcript" aria-labelledby="transcript-title">
      <div class="transcript-main">
        <header class="transcript-head">
          <h1 id="transcript-title">{visitor_name || "Visitor"}</h1>
          <p>
            {dayOf(opened_at)}
            {operators.length > 0 && `, with ${operators.join(", ")}`}
          </p>
          <Storage storage={storage} />
        </header>
        <MessageList
          messages={messages}
          own={{ kind: "operator" }}
          nameOf={({ kind, name }) => name || (kind === "visitor" ? visitor_name || "Visitor" : "Operator")}
          testId="transcript-message"
          empty="Nothing was said in this conversation."
        />
      </div>
      <aside class="details" aria-label="About this transcript">
        <Answers transcript={transcript} />
        <CapturedDetails captured={transcript.captured} />
        <Trail pages={transcript.trail ?? []} />
        <Record transcript={transcript} />
      </aside>
    </article>
  );
}

const ASKED: Record<Placement, string> = { "pre-chat": "Asked before", "post-chat": "Asked afterwards", offline: "Asked meanwhile" };

function Answers({ transcript: { responses } }: { transcript: api.Transcript }) {
  return (
    <>
      <h2>Answers</h2>
      {responses.length === 0 && <p class="list-empty">No survey was answered.</p>}
      {responses.map(({ placement, answers }) => (
        <dl key={placement} aria-label={ASKED[placement]} data-testid="transcript-response" data-placement={placement}>
          {answers.map(({ question_id, label, value }) => (
            <div class="detail" key={question_id} data-testid="transcript-answer" data-question-id={question_id}>
              <dt>{label}</dt>
              <dd>{value}</dd>
            </div>
          ))}
        </dl>
      ))}
    </>
  );
}

function CapturedDetails({ captured }: { captured: api.Captured | null }) {
  const { ip, browser, os, device, language, page, user_agent } = captured ?? {};
  const rows: [string, string | undefined][] = [
    ["IP address", ip],
    ["Browser", browser],
    ["System", os],
    ["Device", device],
    ["Language", language],
    ["Page", page?.title ? `${page.title} (${page.url})` : page?.url],
    ["Came from", page?.referrer],
    ["User agent", user_agent],
  ];
  const known = rows.filter(([, value]) => value);
  return (
    <>
      <h2>Captured</h2>
      {known.length === 0 && <p class="list-empty">Nothing was captured for this site.</p>}
      <dl data-testid="transcript-captured">
        {known.map(([label, value]) => (
          <Detail key={label} label={label}>
            {value}
          </Detail>
        ))}
      </dl>
    </>
  );
}

function Record({ transcript }: { transcript: api.Transcript }) {
  const { opened_at, closed_at, sealed_at, message_count, acknowledgements, digest } = transcript;
  return (
    <>
      <h2>Record</h2>
      <dl>
        <Detail label="Opened">
          <Moment at={opened_at} />
        </Detail>
        <Detail label="Ended">
          <Moment at={closed_at} />
        </Detail>
        <Detail label="Sealed">
          <Moment at={sealed_at} />
        </Detail>
        <Detail label="Messages">{message_count}</Detail>
        {acknowledgements.map(({ version, acknowledged_at }) => (
          <Detail key={version} label="Policy acknowledged">
            Version {version}, <Moment at={acknowledged_at} />
          </Detail>
        ))}
        <Detail label="Digest">
          <code data-testid="digest">{digest}</code>
        </Detail>
      </dl>
    </>
  );
}

/** A transcript, given a little time to appear: a link may be followed before it is sealed. */
function useTranscript(transcriptId: string) {
  const [transcript, setTranscript] = useState<api.Transcript | null>(null);
  const [problem, setProblem] = useState("");
  const [checks, setChecks] = useState(0);
  useEffect(() => {
    let isShown = true;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const refused = (error: unknown) => {
      if (!isShown) return;
      const isMissing = error instanceof Problem && error.status === 404;
      if (isMissing && checks < SEALING_CHECKS) timer = setTimeout(() => setChecks(checks + 1), SEALING_CHECK_MS);
      else setProblem(isMissing ? "There is no such transcript." : explain(error));
    };
    api.getTranscript(transcriptId).then((found) => isShown && setTranscript(found), refused);
    return () => {
      isShown = false;
      clearTimeout(timer);
    };
  }, [checks]);
  const retry = () => {
    setProblem("");
    setChecks((before) => before + 1);
  };
  return { transcript, problem, isSealing: checks > 0 && !transcript && !problem, retry };
}
