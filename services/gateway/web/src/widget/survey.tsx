import type { Question } from "../shared/survey";
import { Field, FieldProblem, valueOf } from "../shared/ui/field";

interface AnswerProps {
  question: Question;
  value: string;
  error: string | undefined;
  onChange: (value: string) => void;
}

const MOST_RADIOS = 4;

/** The control for one question, by its kind. */
export function Answer(props: AnswerProps) {
  const { question, value, error, onChange } = props;
  const { question_id, kind, label, is_required } = question;
  const choices = question.choices ?? [];
  const testId = `answer-${question_id}`;
  if (kind === "choice" && choices.length <= MOST_RADIOS) return <Choices {...props} />;
  return (
    <Field id={testId} label={label} isOptional={!is_required} error={error}>
      {(attributes) =>
        kind === "choice" ? (
          <select {...attributes} class="input" data-testid={testId} required={is_required} value={value} onChange={(event) => onChange(valueOf(event))}>
            <option value="">Please choose</option>
            {choices.map((choice) => (
              <option key={choice}>{choice}</option>
            ))}
          </select>
        ) : (
          <input
            {...attributes}
            {...inputFor(question)}
            class="input"
            data-testid={testId}
            required={is_required}
            value={value}
            onInput={(event) => onChange(valueOf(event))}
          />
        )
      }
    </Field>
  );
}

function Choices({ question: { question_id, label, is_required, choices }, value, error, onChange }: AnswerProps) {
  const id = `answer-${question_id}`;
  return (
    <fieldset class="field" data-testid={id} role="radiogroup" aria-required={is_required} {...(error && { "aria-describedby": `${id}-error` })}>
      <legend>
        {label} {!is_required && <span class="optional">(optional)</span>}
      </legend>
      <div class="choices">
        {choices?.map((choice, index) => (
          <label class="choice" key={choice}>
            <input
              type="radio"
              name={id}
              value={choice}
              checked={value === choice}
              aria-invalid={Boolean(error) && index === 0}
              onChange={() => onChange(choice)}
            />
            <span>{choice}</span>
          </label>
        ))}
      </div>
      <FieldProblem id={id} error={error} />
    </fieldset>
  );
}

function inputFor({ kind, max_length }: Question) {
  if (kind === "email") return { type: "email", autocomplete: "email", maxLength: 254 } as const;
  // Not type=number: it drops what it cannot read, and nobody could say what is wrong with it.
  if (kind === "number") return { type: "text", inputMode: "decimal", maxLength: 30 } as const;
  return { type: "text", ...(max_length && { maxLength: max_length }) } as const;
}
