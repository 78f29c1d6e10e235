import { useState } from "preact/hooks";

import { type Answers, type Question, shownOf } from "../shared/survey";
import { Answer } from "../shared/ui/answer";
import { Button } from "../shared/ui/button";

interface SurveyPreviewProps {
  questions: readonly Question[];
  title: string;
  onClose?: () => void;
}

/** The questions as the widget shows them, to try out; nothing of it is sent. */
export function SurveyPreview({ questions, title, onClose }: SurveyPreviewProps) {
  const [values, setValues] = useState<Answers>({});
  const written = questions.filter(({ label }) => label.trim());
  const { questions: shown } = shownOf(written.map(withoutBlankChoices), values);
  return (
    <section class="preview" aria-labelledby="preview-title" data-testid="preview">
      <header class="preview-head">
        <h2 id="preview-title">{title}</h2>
        {onClose && (
          <Button look="quiet small" onClick={onClose}>
            Back to the questions
          </Button>
        )}
      </header>
      {shown.length === 0 && <p class="list-empty">Nothing is asked.</p>}
      {shown.map((question) => (
        <Answer
          key={question.question_id}
          question={question}
          value={values[question.question_id]}
          error={undefined}
          onChange={(value) => setValues((before) => ({ ...before, [question.question_id]: value }))}
        />
      ))}
    </section>
  );
}

function withoutBlankChoices(question: Question): Question {
  const { choices } = question;
  return choices ? { ...question, choices: [...new Set(choices.map((choice) => choice.trim()).filter(Boolean))] } : question;
}
