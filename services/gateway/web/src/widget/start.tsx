import { useLayoutEffect, useRef, useState } from "preact/hooks";

import type { Question } from "../shared/survey";
import { Button } from "../shared/ui/button";
import { dayOf } from "../shared/ui/times";
import type { AnswerValue, Config } from "./api";
import type { Chat, StartProblem } from "./chat";
import { OwnDataLink } from "./own-data";
import { PolicyText } from "./policy-text";
import { Answer } from "./survey";

const NO_PROBLEM: StartProblem = { detail: "", fields: {} };

/** The notice with the policy in force, the survey, and the button. Before this is sent, nothing is asked for or stored. */
export function Start({ chat, config }: { chat: Chat; config: Config }) {
  const { policy, surveys, texts, online } = config;
  const questions = surveys.pre_chat?.questions ?? [];
  const [acknowledged, setAcknowledged] = useState<string | null>(null);
  const [values, setValues] = useState<Record<string, string>>({});
  const [problem, setProblem] = useState<StartProblem>(NO_PROBLEM);
  const [needsAcknowledging, setNeedsAcknowledging] = useState(false);
  const [isBusy, setBusy] = useState(false);
  const form = useRef<HTMLFormElement>(null);

  useLayoutEffect(() => {
    form.current?.querySelector<HTMLElement>("[aria-invalid=true]")?.focus();
  }, [problem, needsAcknowledging]);

  const start = async () => {
    const missing = missingFields(questions, values);
    // A tick is for the text it was set under: a newer version asks again.
    const isAcknowledged = acknowledged === policy.version;
    setNeedsAcknowledging(!isAcknowledged);
    setProblem({ detail: "", fields: missing });
    if (!isAcknowledged || Object.keys(missing).length > 0) return;
    setBusy(true);
    const refused = await chat.start(policy.version, questions.length > 0 ? answersOf(questions, values) : null);
    setBusy(false);
    if (refused) setProblem(refused);
  };

  return (
    <form
      class="start"
      ref={form}
      noValidate
      aria-busy={isBusy}
      onSubmit={(event) => {
        event.preventDefault();
        if (!isBusy) void start();
      }}
    >
      <div class="start-scroll">
        <p class="greeting">{texts.greeting || "Hello. How can we help?"}</p>
        {!online && <p class="note warning">Nobody is here right now. You can write to us; we answer as soon as somebody is back.</p>}
        <Notice config={config} />
        {questions.map((question) => (
          <Answer
            key={question.question_id}
            question={question}
            value={values[question.question_id] ?? ""}
            error={problem.fields[question.question_id]}
            onChange={(value) => setValues((before) => ({ ...before, [question.question_id]: value }))}
          />
        ))}
      </div>
      <div class="start-foot">
        <div class="field">
          <label class="check">
            <input
              type="checkbox"
              data-testid="acknowledge"
              data-policy-version={policy.version}
              checked={acknowledged === policy.version}
              aria-invalid={needsAcknowledging}
              {...(needsAcknowledging && { "aria-describedby": "acknowledge-error" })}
              onChange={(event) => {
                setAcknowledged(event.currentTarget.checked ? policy.version : null);
                setNeedsAcknowledging(false);
              }}
            />
            <span>I have read this notice and the privacy policy.</span>
          </label>
          {needsAcknowledging && (
            <p class="error" id="acknowledge-error">
              Please confirm this before you start.
            </p>
          )}
        </div>
        <p role="alert" class={problem.detail ? "note problem" : "visually-hidden"} data-testid="start-problem">
          {problem.detail}
        </p>
        <Button type="submit" look="wide" data-testid="start" isBusy={isBusy}>
          {isBusy ? "Starting…" : "Start the chat"}
        </Button>
        {chat.isKnown && <OwnDataLink chat={chat} />}
      </div>
    </form>
  );
}

function Notice({ config: { notice, policy } }: { config: Config }) {
  return (
    <section class="notice" aria-labelledby="notice-title" data-testid="notice">
      <h2 id="notice-title">Before you write</h2>
      <p class="notice-text">{notice}</p>
      <details>
        <summary>Privacy policy, version {policy.version}</summary>
        <p class="policy-dates">In force since {dayOf(policy.effective_at)}.</p>
        <div class="policy-text" tabIndex={0} role="region" aria-label="Privacy policy">
          <PolicyText text={policy.text} />
        </div>
      </details>
      {policy.upcoming && (
        <p class="policy-dates">
          Version {policy.upcoming.version} takes effect on {dayOf(policy.upcoming.effective_at)}.
        </p>
      )}
    </section>
  );
}

function missingFields(questions: readonly Question[], values: Record<string, string>): Record<string, string> {
  const missing = questions.filter(({ question_id, is_required }) => is_required && !values[question_id]?.trim());
  return Object.fromEntries(missing.map(({ question_id }) => [question_id, "Please answer this question."]));
}

/** What was left empty is not sent. */
function answersOf(questions: readonly Question[], values: Record<string, string>): Record<string, AnswerValue> {
  const given = questions.flatMap(({ question_id, kind }): [string, AnswerValue][] => {
    const value = values[question_id]?.trim();
    return value ? [[question_id, kind === "number" ? numberOf(value) : value]] : [];
  });
  return Object.fromEntries(given);
}

/** What is no number goes as it was typed: the server says what is wrong with it. */
function numberOf(value: string): AnswerValue {
  const number = Number(value.replace(",", "."));
  return Number.isFinite(number) ? number : value;
}
