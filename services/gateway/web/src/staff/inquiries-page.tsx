import { useEffect, useRef, useState } from "preact/hooks";

import { newId } from "../shared/ids";
import { explain } from "../shared/problems";
import { Button } from "../shared/ui/button";
import { Field, valueOf } from "../shared/ui/field";
import { Moment, dayOf } from "../shared/ui/times";
import * as api from "./api";

type State = api.Inquiry["state"];
const STATES: Record<State, string> = { open: "Open", answered: "Answered", closed: "Closed" };
const WISHES: Record<api.Inquiry["wish"], string> = { question: "", copy: "Wishes a copy", erasure: "Wishes an erasure" };

/** What was asked of us, the first to be due first. */
export function InquiriesPage() {
  const [state, setState] = useState<State>("open");
  const [chosen, setChosen] = useState<string | null>(null);
  return (
    <main class="page inquiries">
      <div class="page-head">
        <h1>Inquiries</h1>
        <a href="/privacy/questions">The public form</a>
      </div>
      {chosen ? (
        <OneInquiry inquiryId={chosen} onBack={() => setChosen(null)} />
      ) : (
        <>
          <Field id="state" label="Show">
            {(attributes) => (
              <select {...attributes} class="input" data-testid="inquiry-state" value={state} onChange={(event) => setState(valueOf(event) as State)}>
                {Object.entries(STATES).map(([name, words]) => (
                  <option key={name} value={name}>
                    {words}
                  </option>
                ))}
              </select>
            )}
          </Field>
          <List key={state} state={state} onChoose={setChosen} />
        </>
      )}
    </main>
  );
}

function List({ state, onChoose }: { state: State; onChoose: (inquiryId: string) => void }) {
  const [found, setFound] = useState<api.Inquiry[]>([]);
  const [next, setNext] = useState<string | null>(null);
  const [problem, setProblem] = useState("");
  const load = async (after: string | null) => {
    try {
      const page = await api.listInquiries(state, after);
      setFound((before) => (after ? [...before, ...page.inquiries] : page.inquiries));
      setNext(page.next);
    } catch (error) {
      setProblem(explain(error));
    }
  };
  useEffect(() => void load(null), []);
  return (
    <>
      <Refusal problem={problem} />
      {found.length === 0 && !problem && <p class="list-empty">Nothing here.</p>}
      <div class="table-scroll">
        <table>
          <thead>
            <tr>
              <th scope="col">Number</th>
              <th scope="col">Due</th>
              <th scope="col">From</th>
              <th scope="col">Subject</th>
            </tr>
          </thead>
          <tbody>
            {found.map((each) => (
              <tr key={each.inquiry_id} data-testid="inquiry" data-number={each.number} data-overdue={each.is_overdue}>
                <td>
                  <Button look="quiet small" onClick={() => onChoose(each.inquiry_id)}>
                    {each.number}
                  </Button>
                </td>
                <td>
                  {dayOf(each.due_at)} {each.is_overdue && <strong class="error">overdue</strong>}
                </td>
                <td>{each.sender}</td>
                <td>{[WISHES[each.wish], each.subject].filter(Boolean).join(": ") || "No subject"}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {next && (
        <Button look="quiet" onClick={() => load(next)}>
          Show more
        </Button>
      )}
    </>
  );
}

function OneInquiry({ inquiryId, onBack }: { inquiryId: string; onBack: () => void }) {
  const [inquiry, setInquiry] = useState<api.WholeInquiry | null>(null);
  const [text, setText] = useState("");
  const [problem, setProblem] = useState("");
  const [isBusy, setBusy] = useState(false);
  // However often it is sent, it is one answer.
  const clientId = useRef(newId());
  const run = async (ask: () => Promise<api.WholeInquiry>) => {
    setBusy(true);
    setProblem("");
    try {
      setInquiry(await ask());
      setBusy(false);
      return true;
    } catch (error) {
      setProblem(explain(error));
      setBusy(false);
      return false;
    }
  };
  const answer = async () => {
    if (!(await run(() => api.answerInquiry(inquiryId, clientId.current, text)))) return;
    clientId.current = newId();
    setText("");
  };
  useEffect(() => void run(() => api.getInquiry(inquiryId)), []);
  return (
    <section aria-label="Inquiry">
      <Button look="quiet small" onClick={onBack}>
        All inquiries
      </Button>
      <Refusal problem={problem} />
      {inquiry && (
        <>
          <Head inquiry={inquiry} />
          {inquiry.state !== "closed" && (
            <form
              class="staff-form"
              onSubmit={(event) => {
                event.preventDefault();
                if (!isBusy && text.trim()) void answer();
              }}
            >
              <Field id="answer" label="Answer by mail">
                {(attributes) => <textarea {...attributes} class="input" rows={8} required maxLength={20_000} data-testid="answer-text" value={text} onInput={(event) => setText(valueOf(event))} />}
              </Field>
              <div class="staff-actions">
                <Button type="submit" data-testid="answer" isBusy={isBusy}>
                  Send the answer
                </Button>
                <Button look="quiet" data-testid="close-inquiry" isBusy={isBusy} onClick={() => void run(() => api.closeInquiry(inquiryId))}>
                  Close it
                </Button>
              </div>
            </form>
          )}
        </>
      )}
    </section>
  );
}

function Head({ inquiry: { number, subject, sender, state, wish, due_at, is_overdue, is_automatic, entries, mails } }: { inquiry: api.WholeInquiry }) {
  return (
    <>
      <h2>
        {number}: {subject || "No subject"}
      </h2>
      <p data-testid="inquiry-standing" data-state={state}>
        From {sender || "nobody"}. {STATES[state]}, due {dayOf(due_at)}
        {is_overdue && <strong class="error"> (overdue)</strong>}. {WISHES[wish] && `${WISHES[wish]}; a link to confirm the address was mailed. `}
        {is_automatic && "Written by a machine, so it was not acknowledged. "}
        Our mails: {mails.sent} sent, {mails.waiting} waiting{mails.failed > 0 && `, ${mails.failed} not delivered`}.
      </p>
      {entries.map(({ kind, text, by, at }) => (
        <article key={at} class="staff-section" data-testid="inquiry-entry" data-kind={kind}>
          <p>
            <strong>{by}</strong> <Moment at={at} />
          </p>
          <p class="inquiry-text">{text}</p>
        </article>
      ))}
    </>
  );
}

function Refusal({ problem }: { problem: string }) {
  return problem ? (
    <p class="note problem" role="alert">
      {problem}
    </p>
  ) : null;
}
