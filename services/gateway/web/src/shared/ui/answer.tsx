import type { InputHTMLAttributes } from "preact";

import type { AnswerValue, Kind, Question } from "../survey";
import { Field, FieldProblem, valueOf } from "./field";

interface AnswerProps {
  question: Question;
  value: AnswerValue | undefined;
  error: string | undefined;
  onChange: (value: AnswerValue) => void;
}

const MOST_RADIOS = 4;

/** The control for one question, by its kind. */
export function Answer(props: AnswerProps) {
  const { question, value = "", error, onChange } = props;
  const { question_id, kind, label, is_required, choices, max_length } = question;
  const id = `answer-${question_id}`;
  const isChoice = kind === "choice" || kind === "income-band";
  if (kind === "choices" || kind === "rating" || kind === "consent" || (isChoice && (choices?.length ?? 0) <= MOST_RADIOS)) return <Choices {...props} />;
  return (
    <Field id={id} label={label} isOptional={!is_required} error={error}>
      {(attributes) => {
        const all = { ...attributes, class: "input", "data-testid": id, required: is_required, value: value as string };
        if (isChoice) {
          return (
            <select {...all} onChange={(event) => onChange(valueOf(event))}>
              <option value="">Please choose</option>
              {choices?.map((choice) => (
                <option key={choice}>{choice}</option>
              ))}
            </select>
          );
        }
        const limit = max_length ? { maxLength: max_length } : {};
        const write = { ...all, ...limit, onInput: (event: Parameters<typeof valueOf>[0]) => onChange(valueOf(event)) };
        return kind === "long-text" ? <textarea {...write} rows={4} /> : <input {...write} {...INPUTS[kind]} />;
      }}
    </Field>
  );
}

// Not type=number: it drops what it cannot read, and nobody could say what is wrong with it.
const INPUTS: Partial<Record<Kind, InputHTMLAttributes>> = {
  email: { type: "email", autocomplete: "email" },
  phone: { type: "tel", autocomplete: "tel" },
  postcode: { autocomplete: "postal-code" },
  number: { inputMode: "decimal" },
  age: { inputMode: "numeric" },
  "birth-date": { type: "date", autocomplete: "bday" },
};

/** One of several, or several of them, in view. A consent is the one that can be ticked or left. */
function Choices({ question, value, error, onChange }: AnswerProps) {
  const { question_id, label, kind, is_required } = question;
  const id = `answer-${question_id}`;
  const options = optionsOf(question);
  const isTicked = kind === "choices" || kind === "consent";
  const chosen = value === true ? options : Array.isArray(value) ? value : [`${value}`];
  const change = (choice: string, isChosen: boolean) => {
    if (kind === "consent") return onChange(isChosen);
    onChange(isTicked ? options.filter((one) => (one === choice ? isChosen : chosen.includes(one))) : choice);
  };
  return (
    <fieldset
      class="field"
      data-testid={id}
      {...(!isTicked && { role: "radiogroup", "aria-required": is_required })}
      {...(error && { "aria-describedby": `${id}-error` })}
    >
      <legend>
        {label} {!is_required && <span class="optional">(optional)</span>}
      </legend>
      <div class="choices">
        {options.map((choice, index) => (
          <label class="choice" key={choice}>
            <input
              type={isTicked ? "checkbox" : "radio"}
              name={id}
              value={choice}
              checked={chosen.includes(choice)}
              aria-invalid={Boolean(error) && index === 0}
              onChange={(event) => change(choice, event.currentTarget.checked)}
            />
            <span>{choice}</span>
          </label>
        ))}
      </div>
      <FieldProblem id={id} error={error} />
    </fieldset>
  );
}

function optionsOf({ kind, choices, scale }: Question): string[] {
  if (kind === "consent") return ["I agree"];
  return kind === "rating" ? Array.from({ length: scale ?? 5 }, (_, index) => `${index + 1}`) : (choices ?? []);
}
