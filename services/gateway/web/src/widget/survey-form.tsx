import type { ComponentChildren } from "preact";
import { useLayoutEffect, useRef, useState } from "preact/hooks";

import { type Answers, type Survey, refusalsOf, shownOf } from "../shared/survey";
import { Answer } from "../shared/ui/answer";
import { Button } from "../shared/ui/button";
import type { Config } from "./api";
import type { StartProblem } from "./chat";
import { Acknowledgement, Notice } from "./notice";

interface SurveyFormProps {
  survey: Survey | null;
  /** There is something to read and acknowledge before anything is sent. */
  config?: Config;
  button: string;
  testId: string;
  onSend: (answers: Answers, policyVersion: string) => Promise<StartProblem | null>;
  /** Below the button. */
  foot?: ComponentChildren;
  children: ComponentChildren;
}

const NO_PROBLEM: StartProblem = { detail: "", fields: {} };

/** What is asked, with what has to be read first. Before it is sent, nothing is stored. */
export function SurveyForm({ survey, config, button, testId, onSend, foot, children }: SurveyFormProps) {
  const version = config?.policy.version ?? "";
  const [acknowledged, setAcknowledged] = useState<string | null>(null);
  const [values, setValues] = useState<Answers>({});
  const [problem, setProblem] = useState(NO_PROBLEM);
  const [needsAcknowledging, setNeedsAcknowledging] = useState(false);
  const [isBusy, setBusy] = useState(false);
  const form = useRef<HTMLFormElement>(null);
  const { questions, answers } = shownOf(survey?.questions ?? [], values);

  useLayoutEffect(() => {
    form.current?.querySelector<HTMLElement>("[aria-invalid=true]")?.focus();
  }, [problem, needsAcknowledging]);

  const send = async () => {
    const fields = survey ? refusalsOf(survey.rules, answers) : {};
    // A tick is for the text it was set under: a newer version asks again.
    const isAcknowledged = !config || acknowledged === version;
    setNeedsAcknowledging(!isAcknowledged);
    setProblem({ detail: "", fields });
    if (!isAcknowledged || Object.keys(fields).length > 0) return;
    setBusy(true);
    const refused = await onSend(answers, version);
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
        if (!isBusy) void send();
      }}
    >
      <div class="start-scroll">
        {children}
        {config && <Notice config={config} />}
        {questions.map((question) => (
          <Answer
            key={question.question_id}
            question={question}
            value={values[question.question_id]}
            error={problem.fields[question.question_id]}
            onChange={(value) => setValues((before) => ({ ...before, [question.question_id]: value }))}
          />
        ))}
      </div>
      <div class="start-foot">
        {config && (
          <Acknowledgement
            version={version}
            isGiven={acknowledged === version}
            isMissing={needsAcknowledging}
            onChange={(isGiven) => {
              setAcknowledged(isGiven ? version : null);
              setNeedsAcknowledging(false);
            }}
          />
        )}
        <p role="alert" class={problem.detail ? "note problem" : "visually-hidden"} data-testid={`${testId}-problem`}>
          {problem.detail}
        </p>
        <Button type="submit" look="wide" data-testid={testId} isBusy={isBusy}>
          {isBusy ? "One moment…" : button}
        </Button>
        {foot}
      </div>
    </form>
  );
}
