import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";

import { newId } from "../shared/ids";
import { Problem, explain } from "../shared/problems";
import type { Placement, Question } from "../shared/survey";
import { Button } from "../shared/ui/button";
import { Refused } from "../shared/ui/refused";
import { Moment, dayOf } from "../shared/ui/times";
import * as api from "./api";
import { AskBeforeLeaving } from "./ask-before-leaving";
import { QuestionEditor, changed, tidied } from "./question-editor";
import { SurveyPreview } from "./survey-preview";

const INTRODUCTION: Record<Placement, string> = {
  "pre-chat": "Visitors answer these questions before they can write. Ask only for what you need.",
  "post-chat": "Visitors are asked these questions when a conversation has ended. They may decline.",
  offline: "Visitors answer these questions instead of writing when none of you has the console open. Ask how to reach them.",
};
const NO_QUESTIONS: Record<Placement, string> = {
  "pre-chat": "No questions: visitors start right after the notice.",
  "post-chat": "No questions: a conversation simply ends.",
  offline: "No questions: visitors can start a conversation, and wait for you.",
};

interface SurveyEditorProps {
  siteId: string;
  placement: Placement;
  isAdmin: boolean;
}

/** What a site asks in one place. Publishing makes a new version; answers keep the questions they were given to. */
export function SurveyEditor({ siteId, placement, isAdmin }: SurveyEditorProps) {
  const survey = useSurvey(siteId, placement);
  const { questions, versions, shown, problem, load } = survey;
  if (!questions) return problem ? <Refused problem={problem} onRetry={load} /> : <p class="loading">Loading the survey…</p>;
  return (
    <div class="survey-columns">
      <div class="survey">
        {survey.isChanged && <AskBeforeLeaving />}
        {isAdmin ? <Editing survey={survey} placement={placement} /> : <p class="survey-intro">Owners and admins can change what is asked.</p>}
        <Versions survey={survey} versions={versions} isAdmin={isAdmin} />
      </div>
      <SurveyPreview
        key={shown?.version}
        questions={shown?.questions ?? questions}
        title={shown ? `Version ${shown.version}, of ${dayOf(shown.published_at)}` : "What visitors see"}
        {...(shown && { onClose: () => survey.show(null) })}
      />
    </div>
  );
}

type SurveyState = ReturnType<typeof useSurvey>;

function Editing({ survey, placement }: { survey: SurveyState; placement: Placement }) {
  const { problem, refusals, isBusy, edit, publish } = survey;
  const questions = survey.questions ?? [];
  const list = useRef<HTMLOListElement>(null);
  const hasAdded = useRef(false);
  const add = () => {
    hasAdded.current = true;
    edit([...questions, { question_id: newId().slice(0, 8), kind: "text", label: "", is_required: false }]);
  };
  // Before the browser takes the next key: whoever types on at once loses none.
  useLayoutEffect(() => {
    if (hasAdded.current) list.current?.querySelector<HTMLElement>("li:last-child input")?.focus();
    hasAdded.current = false;
  }, [questions.length]);
  return (
    <form
      class="survey"
      aria-busy={isBusy}
      onSubmit={(event) => {
        event.preventDefault();
        if (!isBusy) void publish();
      }}
    >
      <p class="survey-intro">{INTRODUCTION[placement]}</p>
      {questions.length === 0 && <p class="page-empty">{NO_QUESTIONS[placement]}</p>}
      <ol ref={list}>
        {questions.map((question, index) => (
          <QuestionEditor
            key={question.question_id}
            question={question}
            number={index + 1}
            earlier={questions.slice(0, index)}
            problem={refusals[index]}
            onChange={(part) => edit(changed(questions, index, part))}
            onRemove={() => edit(questions.filter((_, at) => at !== index))}
            onRaise={index > 0 ? () => edit(swapped(questions, index - 1)) : null}
            onLower={index < questions.length - 1 ? () => edit(swapped(questions, index)) : null}
          />
        ))}
      </ol>
      {problem && (
        <p class="note problem" role="alert">
          {problem}
        </p>
      )}
      <EditorFoot survey={survey} onAdd={add} />
    </form>
  );
}

function EditorFoot({ survey, onAdd }: { survey: SurveyState; onAdd: () => void }) {
  const { version, draft, isChanged, isBusy, saveDraft, dropDraft } = survey;
  return (
    <div class="survey-foot">
      <Button look="quiet" data-testid="add-question" onClick={onAdd}>
        Add a question
      </Button>
      <span class="survey-version" role="status" data-testid="survey-version">
        {version === null ? "Not published yet" : `Version ${version} is published`}
        {draft && !isChanged && (
          <>
            {"; draft of "}
            <Moment at={draft.saved_at} />
          </>
        )}
        {isChanged && "; there are changes"}
      </span>
      {draft && (
        <Button look="quiet" data-testid="drop-draft" isBusy={isBusy} onClick={dropDraft}>
          Discard draft
        </Button>
      )}
      <Button look="quiet" data-testid="save-draft" isBusy={isBusy} onClick={saveDraft}>
        Save draft
      </Button>
      <Button type="submit" data-testid="publish-survey" isBusy={isBusy}>
        Publish
      </Button>
    </div>
  );
}

interface VersionsProps {
  survey: SurveyState;
  versions: readonly api.SurveyVersion[];
  isAdmin: boolean;
}

function Versions({ survey: { shown, show, edit }, versions, isAdmin }: VersionsProps) {
  if (versions.length === 0) return null;
  return (
    <details class="versions" data-testid="versions">
      <summary>Published versions</summary>
      <ol>
        {versions.map(({ version, published_at, question_count }) => (
          <li key={version} data-testid="version" {...(shown?.version === version && { "aria-current": "true" as const })}>
            <span>
              Version {version}, <Moment at={published_at} />, {question_count === 1 ? "1 question" : `${question_count} questions`}
            </span>
            <Button look="quiet small" aria-label={`Show version ${version}`} onClick={() => show(version)}>
              Show
            </Button>
            {isAdmin && shown?.version === version && (
              <Button
                look="quiet small"
                onClick={() => {
                  edit(shown.questions);
                  void show(null);
                }}
              >
                Start from this one
              </Button>
            )}
          </li>
        ))}
      </ol>
    </details>
  );
}

function useSurvey(siteId: string, placement: Placement) {
  const [questions, setQuestions] = useState<Question[] | null>(null);
  const [version, setVersion] = useState<number | null>(null);
  const [draft, setDraft] = useState<api.Draft | null>(null);
  const [versions, setVersions] = useState<api.SurveyVersion[]>([]);
  const [shown, setShown] = useState<api.PublishedSurvey | null>(null);
  const [isChanged, setChanged] = useState(false);
  const [problem, setProblem] = useState("");
  const [refusals, setRefusals] = useState<Record<number, string>>({});
  const [isBusy, setBusy] = useState(false);
  const run = async (action: () => Promise<void>) => {
    setBusy(true);
    setProblem("");
    setRefusals({});
    try {
      await action();
    } catch (error) {
      setProblem([explain(error), ...refusalsOfAll(error)].join(" "));
      setRefusals(refusalsIn(error));
    }
    setBusy(false);
  };
  const begin = (questions: Question[]) => {
    setQuestions(questions);
    setChanged(false);
  };
  const read = async () => {
    const [published, saved, { versions: all }] = await Promise.all([
      orNone(api.getSurvey(siteId, placement)),
      orNone(api.getDraft(siteId, placement)),
      api.listVersions(siteId, placement),
    ]);
    setVersion(published?.version ?? null);
    setDraft(saved);
    setVersions(all);
    begin(saved?.questions ?? published?.questions ?? []);
  };
  const load = () => run(read);
  useEffect(() => void load(), []);
  const edit = (edited: Question[]) => {
    setQuestions(edited);
    setChanged(true);
  };
  const tidy = () => (questions ?? []).map((question, index, all) => tidied(question, all.slice(0, index)));
  const publish = () =>
    run(async () => {
      await api.publishSurvey(siteId, placement, tidy());
      await read();
    });
  const saveDraft = () =>
    run(async () => {
      const saved = await api.saveDraft(siteId, placement, tidy());
      setDraft(saved);
      begin(saved.questions);
    });
  const dropDraft = () =>
    run(async () => {
      await api.dropDraft(siteId, placement);
      await read();
    });
  const show = (number: number | null) => run(async () => setShown(number === null ? null : await api.getVersion(siteId, placement, number)));
  return { questions, version, versions, draft, shown, isChanged, problem, refusals, isBusy, edit, load, publish, saveDraft, dropDraft, show };
}

async function orNone<T>(asked: Promise<T>): Promise<T | null> {
  try {
    return await asked;
  } catch (error) {
    if (error instanceof Problem && error.status === 404) return null;
    throw error;
  }
}

const QUESTION_FIELD = /^questions\.(\d+)/;

const errorsIn = (error: unknown) => (error instanceof Problem ? error.errors : []);

/** What was wrong with no single question. */
function refusalsOfAll(error: unknown): string[] {
  return errorsIn(error)
    .filter(({ field }) => !QUESTION_FIELD.test(field))
    .map(({ detail }) => detail);
}

/** What was wrong with which question, by its place. */
function refusalsIn(error: unknown): Record<number, string> {
  return Object.fromEntries(
    errorsIn(error).flatMap(({ field, detail }) => {
      const index = QUESTION_FIELD.exec(field)?.[1];
      return index === undefined ? [] : [[Number(index), detail]];
    }),
  );
}

function swapped<T>(items: readonly T[], index: number): T[] {
  const next = [...items];
  [next[index], next[index + 1]] = [next[index + 1] as T, next[index] as T];
  return next;
}
