import { useEffect, useRef, useState } from "preact/hooks";

import { newId } from "../shared/ids";
import { Problem, explain } from "../shared/problems";
import type { Question } from "../shared/survey";
import { Button } from "../shared/ui/button";
import { Field, valueOf } from "../shared/ui/field";
import * as api from "./api";

const KINDS: Record<Question["kind"], string> = { text: "Text", email: "E-mail address", number: "Number", choice: "One of several choices" };

/** What a site asks before a conversation. Publishing makes a new version; answers keep the questions they were given to. */
export function SurveyPage() {
  const [sites, setSites] = useState<api.Site[] | null>(null);
  const [siteId, setSiteId] = useState("");
  const [problem, setProblem] = useState("");
  const load = async () => {
    setProblem("");
    try {
      const { sites: found } = await api.listSites();
      setSites(found);
      setSiteId(found[0]?.site_id ?? "");
    } catch (error) {
      setProblem(explain(error));
    }
  };
  useEffect(() => void load(), []);
  return (
    <main class="page narrow">
      <div class="page-head">
        <h1>Before a conversation</h1>
      </div>
      {problem && <Refused problem={problem} onRetry={load} />}
      {!sites && !problem && <p class="loading">Loading the survey…</p>}
      {sites && sites.length > 1 && (
        <Field id="site" label="Site">
          {(attributes) => (
            <select {...attributes} class="input" value={siteId} onChange={(event) => setSiteId(valueOf(event))}>
              {sites.map((site) => (
                <option key={site.site_id} value={site.site_id}>
                  {site.name}
                </option>
              ))}
            </select>
          )}
        </Field>
      )}
      {siteId && <Editor key={siteId} siteId={siteId} />}
    </main>
  );
}

function Refused({ problem, onRetry }: { problem: string; onRetry: () => void }) {
  return (
    <div class="note problem" role="alert">
      <p>{problem}</p>
      <Button look="quiet small" onClick={onRetry}>
        Try again
      </Button>
    </div>
  );
}

function Editor({ siteId }: { siteId: string }) {
  const { questions, version, problem, isBusy, edit, load, publish } = useSurvey(siteId);
  const list = useRef<HTMLOListElement>(null);
  const add = () => {
    edit([...(questions ?? []), { question_id: newId().slice(0, 8), kind: "text", label: "", is_required: false }]);
    requestAnimationFrame(() => list.current?.querySelector<HTMLElement>("li:last-child input")?.focus());
  };
  if (!questions) return problem ? <Refused problem={problem} onRetry={load} /> : <p class="loading">Loading the survey…</p>;
  return (
    <form
      class="survey"
      onSubmit={(event) => {
        event.preventDefault();
        if (!isBusy) void publish();
      }}
    >
      <p class="survey-intro">Visitors answer these questions before they can write. Ask only for what you need.</p>
      {questions.length === 0 && <p class="page-empty">No questions: visitors start right after the notice.</p>}
      <ol ref={list}>
        {questions.map((question, index) => (
          <QuestionEditor
            key={question.question_id}
            question={question}
            number={index + 1}
            onChange={(part) => edit(replaced(questions, index, { ...question, ...part }))}
            onRemove={() => edit(questions.filter((_, at) => at !== index))}
            onRaise={index > 0 ? () => edit(swapped(questions, index - 1)) : null}
          />
        ))}
      </ol>
      {problem && (
        <p class="note problem" role="alert">
          {problem}
        </p>
      )}
      <div class="survey-foot">
        <Button look="quiet" data-testid="add-question" onClick={add}>
          Add a question
        </Button>
        <span class="survey-version" role="status" data-testid="survey-version">
          {version === null ? "Not published yet" : `Version ${version} is published`}
        </span>
        <Button type="submit" data-testid="publish-survey" isBusy={isBusy}>
          {isBusy ? "Publishing…" : "Publish"}
        </Button>
      </div>
    </form>
  );
}

interface QuestionEditorProps {
  question: Question;
  number: number;
  onChange: (part: Partial<Question>) => void;
  onRemove: () => void;
  onRaise: (() => void) | null;
}

function QuestionEditor({ question, number, onChange, onRemove, onRaise }: QuestionEditorProps) {
  const { question_id, label, kind, is_required, choices } = question;
  return (
    <li class="question" data-testid="question">
      <Field id={`label-${question_id}`} label={`Question ${number}`}>
        {(attributes) => <input {...attributes} class="input" required maxLength={300} value={label} onInput={(event) => onChange({ label: valueOf(event) })} />}
      </Field>
      <div class="question-row">
        <Field id={`kind-${question_id}`} label="Answered with">
          {(attributes) => (
            <select {...attributes} class="input" value={kind} onChange={(event) => onChange({ kind: valueOf(event) as Question["kind"] })}>
              {Object.entries(KINDS).map(([value, name]) => (
                <option key={value} value={value}>
                  {name}
                </option>
              ))}
            </select>
          )}
        </Field>
        {kind === "number" && <Bound id={`min-${question_id}`} label="At least" value={question.minimum} onChange={(minimum) => onChange({ minimum })} />}
        {kind === "number" && <Bound id={`max-${question_id}`} label="At most" value={question.maximum} onChange={(maximum) => onChange({ maximum })} />}
      </div>
      {kind === "choice" && (
        <Field id={`choices-${question_id}`} label="Choices, one a line">
          {(attributes) => (
            <textarea
              {...attributes}
              class="input"
              rows={Math.max(3, choices?.length ?? 0)}
              required
              value={(choices ?? []).join("\n")}
              onInput={(event) => onChange({ choices: valueOf(event).split("\n") })}
            />
          )}
        </Field>
      )}
      <div class="question-row foot">
        <label class="check">
          <input type="checkbox" checked={is_required} onChange={(event) => onChange({ is_required: event.currentTarget.checked })} />
          <span>An answer is required</span>
        </label>
        {onRaise && (
          <Button look="quiet small" aria-label={`Move question ${number} up`} onClick={onRaise}>
            Move up
          </Button>
        )}
        <Button look="quiet small" aria-label={`Remove question ${number}`} onClick={onRemove}>
          Remove
        </Button>
      </div>
    </li>
  );
}

interface BoundProps {
  id: string;
  label: string;
  value: number | null | undefined;
  onChange: (value: number | null) => void;
}

function Bound({ id, label, value, onChange }: BoundProps) {
  return (
    <Field id={id} label={label}>
      {(attributes) => (
        <input
          {...attributes}
          class="input"
          type="number"
          step="any"
          value={value ?? ""}
          onInput={(event) => onChange(valueOf(event) === "" ? null : Number(valueOf(event)))}
        />
      )}
    </Field>
  );
}

function useSurvey(siteId: string) {
  const [questions, setQuestions] = useState<Question[] | null>(null);
  const [version, setVersion] = useState<number | null>(null);
  const [problem, setProblem] = useState("");
  const [isBusy, setBusy] = useState(false);
  const run = async (action: () => Promise<void>) => {
    setBusy(true);
    setProblem("");
    try {
      await action();
    } catch (error) {
      setProblem(explain(error));
    }
    setBusy(false);
  };
  const show = (survey: { version: number; questions: Question[] }) => {
    setVersion(survey.version);
    setQuestions(survey.questions);
  };
  const load = () =>
    run(async () => {
      try {
        show(await api.getSurvey(siteId));
      } catch (error) {
        if (!(error instanceof Problem && error.status === 404)) throw error;
        setQuestions([]);
      }
    });
  useEffect(() => void load(), []);
  const publish = () => run(async () => show(await api.publishSurvey(siteId, (questions ?? []).map(tidied))));
  return { questions, version, problem, isBusy, edit: setQuestions, load, publish };
}

/** Only what belongs to the question's kind. */
function tidied({ question_id, kind, label, is_required, choices, max_length, minimum, maximum }: Question): Question {
  return {
    question_id,
    kind,
    label: label.trim(),
    is_required,
    ...(kind === "choice" && { choices: (choices ?? []).map((choice) => choice.trim()).filter(Boolean) }),
    ...(kind === "text" && max_length != null && { max_length }),
    ...(kind === "number" && minimum != null && { minimum }),
    ...(kind === "number" && maximum != null && { maximum }),
  };
}

function replaced<T>(items: readonly T[], index: number, item: T): T[] {
  return items.map((one, at) => (at === index ? item : one));
}

function swapped<T>(items: readonly T[], index: number): T[] {
  const next = [...items];
  [next[index], next[index + 1]] = [next[index + 1] as T, next[index] as T];
  return next;
}
