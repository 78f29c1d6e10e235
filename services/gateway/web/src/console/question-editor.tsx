import type { Kind, Question, Topic } from "../shared/survey";
import { Button } from "../shared/ui/button";
import { Field, FieldProblem, valueOf } from "../shared/ui/field";

const KINDS: Record<Kind, string> = {
  text: "Text of one line",
  "long-text": "Text of several lines",
  email: "E-mail address",
  phone: "Telephone number",
  number: "Number",
  age: "Age",
  "birth-date": "Date of birth",
  postcode: "Postcode",
  "income-band": "Income band",
  choice: "One of several choices",
  choices: "Any of several choices",
  rating: "Rating",
  consent: "Consent",
};
const TOPICS: Record<Topic, string> = {
  overall: "The chat as a whole",
  ease: "How easy the chat was to use",
  speed: "How quickly the chat worked",
  reliability: "Whether the chat worked at all times",
};
const SCALES = [3, 4, 5, 6, 7, 8, 9, 10];
const WITH_CHOICES: readonly Kind[] = ["choice", "choices", "income-band"];
const DECIDING: readonly Kind[] = [...WITH_CHOICES, "rating", "consent"];
const INCOMES = ["Under 20,000", "20,000 to 40,000", "40,000 to 60,000", "Over 60,000", "Rather not say"];

interface QuestionEditorProps {
  question: Question;
  number: number;
  earlier: readonly Question[];
  problem: string | undefined;
  onChange: (part: Partial<Question>) => void;
  onRemove: () => void;
  onRaise: (() => void) | null;
  onLower: (() => void) | null;
}

/** One question, and everything that can be set for its kind. */
export function QuestionEditor({ question, number, earlier, problem, onChange, onRemove, onRaise, onLower }: QuestionEditorProps) {
  const { question_id, label, kind, is_required } = question;
  const id = `question-${question_id}`;
  return (
    <li class="question" data-testid="question" id={id} aria-label={`Question ${number}`} {...(problem && { "aria-describedby": `${id}-error` })}>
      <Field id={`label-${question_id}`} label={kind === "consent" ? `Question ${number}: what is agreed to` : `Question ${number}`}>
        {(attributes) => <input {...attributes} class="input" required maxLength={300} value={label} onInput={(event) => onChange({ label: valueOf(event) })} />}
      </Field>
      <div class="question-row">
        <Field id={`kind-${question_id}`} label="Answered with">
          {(attributes) => (
            <select {...attributes} class="input" value={kind} onChange={(event) => onChange(ofKind(question, valueOf(event) as Kind))}>
              {Object.entries(KINDS).map(([value, name]) => (
                <option key={value} value={value}>
                  {name}
                </option>
              ))}
            </select>
          )}
        </Field>
        <Limits question={question} onChange={onChange} />
      </div>
      {WITH_CHOICES.includes(kind) && <Choices question={question} onChange={onChange} />}
      {kind === "text" && <Pattern question={question} onChange={onChange} />}
      {(kind === "age" || kind === "birth-date") && (
        <p class="survey-intro">Who turns out to be under 18 cannot go on, and nothing they entered is kept.</p>
      )}
      <Condition question={question} earlier={earlier.filter((one) => DECIDING.includes(one.kind))} onChange={onChange} />
      <FieldProblem id={id} error={problem} />
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
        {onLower && (
          <Button look="quiet small" aria-label={`Move question ${number} down`} onClick={onLower}>
            Move down
          </Button>
        )}
        <Button look="quiet small" aria-label={`Remove question ${number}`} onClick={onRemove}>
          Remove
        </Button>
      </div>
    </li>
  );
}

function ofKind(question: Question, kind: Kind): Partial<Question> {
  const isFirstChoice = kind === "income-band" && !question.choices?.some(Boolean);
  return { kind, ...(isFirstChoice && { choices: INCOMES }) };
}

interface PartProps {
  question: Question;
  onChange: (part: Partial<Question>) => void;
}

function Limits({ question, onChange }: PartProps) {
  const { question_id, kind } = question;
  switch (kind) {
    case "text":
    case "long-text":
      return <Bound id={`length-${question_id}`} label="Characters at most" value={question.max_length} onChange={(max_length) => onChange({ max_length })} />;
    case "number":
      return (
        <>
          <Bound id={`min-${question_id}`} label="At least" value={question.minimum} onChange={(minimum) => onChange({ minimum })} />
          <Bound id={`max-${question_id}`} label="At most" value={question.maximum} onChange={(maximum) => onChange({ maximum })} />
        </>
      );
    case "choices":
      return (
        <>
          <Bound id={`min-${question_id}`} label="Choices at least" value={question.min_choices} onChange={(min_choices) => onChange({ min_choices })} />
          <Bound id={`max-${question_id}`} label="Choices at most" value={question.max_choices} onChange={(max_choices) => onChange({ max_choices })} />
        </>
      );
    case "rating":
      return <Rating question={question} onChange={onChange} />;
    default:
      return null;
  }
}

function Rating({ question: { question_id, scale, about_service }, onChange }: PartProps) {
  return (
    <>
      <Field id={`scale-${question_id}`} label="From 1 to">
        {(attributes) => (
          <select {...attributes} class="input" value={scale ?? 5} disabled={Boolean(about_service)} onChange={(event) => onChange({ scale: Number(valueOf(event)) })}>
            {SCALES.map((scale) => (
              <option key={scale}>{scale}</option>
            ))}
          </select>
        )}
      </Field>
      <Field id={`topic-${question_id}`} label="About">
        {(attributes) => (
          <select
            {...attributes}
            class="input"
            value={about_service ?? ""}
            onChange={(event) => onChange({ about_service: (valueOf(event) as Topic) || null, scale: valueOf(event) ? 5 : (scale ?? 5) })}
          >
            <option value="">Your own business</option>
            {Object.entries(TOPICS).map(([topic, name]) => (
              <option key={topic} value={topic}>
                Velaro: {name}
              </option>
            ))}
          </select>
        )}
      </Field>
    </>
  );
}

function Choices({ question: { question_id, choices }, onChange }: PartProps) {
  return (
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
  );
}

function Pattern({ question: { question_id, pattern, pattern_hint }, onChange }: PartProps) {
  return (
    <details class="pattern" open={Boolean(pattern)}>
      <summary>Only in a certain form</summary>
      <div class="question-row">
        <Field id={`pattern-${question_id}`} label="Pattern">
          {(attributes) => (
            <input
              {...attributes}
              class="input code"
              maxLength={200}
              spellcheck={false}
              placeholder={"[A-Z]{2}-\\d{4,6}"}
              value={pattern ?? ""}
              onInput={(event) => onChange({ pattern: valueOf(event) || null })}
            />
          )}
        </Field>
        <Field id={`hint-${question_id}`} label="An example, for visitors">
          {(attributes) => (
            <input {...attributes} class="input" maxLength={100} placeholder="AB-1234" value={pattern_hint ?? ""} onInput={(event) => onChange({ pattern_hint: valueOf(event) || null })} />
          )}
        </Field>
      </div>
    </details>
  );
}

interface ConditionProps extends PartProps {
  earlier: readonly Question[];
}

/** On which earlier answers it depends whether the question is asked. */
function Condition({ question: { question_id, shown_if }, earlier, onChange }: ConditionProps) {
  if (earlier.length === 0) return null;
  const decides = earlier.find((one) => one.question_id === shown_if?.question_id);
  const choose = (id: string) => onChange({ shown_if: id ? { question_id: id, values: [] } : null });
  const toggle = (value: string | number | boolean, isOn: boolean) => {
    const values = (decides ? valuesOf(decides) : []).filter((one) => (one === value ? isOn : shown_if?.values.includes(one)));
    onChange({ shown_if: { question_id: decides?.question_id ?? "", values } });
  };
  return (
    <>
      <Field id={`shown-${question_id}`} label="Asked">
        {(attributes) => (
          <select {...attributes} class="input" value={decides?.question_id ?? ""} onChange={(event) => choose(valueOf(event))}>
            <option value="">Always</option>
            {earlier.map((one) => (
              <option key={one.question_id} value={one.question_id}>
                Depending on: {one.label}
              </option>
            ))}
          </select>
        )}
      </Field>
      {decides && (
        <fieldset class="field">
          <legend>If the answer is</legend>
          <div class="choices">
            {valuesOf(decides).map((value) => (
              <label class="choice" key={String(value)}>
                <input type="checkbox" checked={shown_if?.values.includes(value) ?? false} onChange={(event) => toggle(value, event.currentTarget.checked)} />
                <span>{value === true ? "Agreed" : value}</span>
              </label>
            ))}
          </div>
        </fieldset>
      )}
    </>
  );
}

function valuesOf({ kind, choices, scale }: Question): (string | number | boolean)[] {
  if (kind === "consent") return [true];
  if (kind === "rating") return Array.from({ length: scale ?? 5 }, (_, index) => index + 1);
  return (choices ?? []).map((choice) => choice.trim()).filter(Boolean);
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

const FIELDS: Partial<Record<Kind, readonly (keyof Question)[]>> = {
  text: ["max_length", "pattern", "pattern_hint"],
  "long-text": ["max_length"],
  number: ["minimum", "maximum"],
  choice: ["choices"],
  "income-band": ["choices"],
  choices: ["choices", "min_choices", "max_choices"],
  rating: ["scale", "about_service"],
};

/** Only what belongs to the question's kind, and a condition only if it can still be met. */
export function tidied(question: Question, earlier: readonly Question[]): Question {
  const { question_id, kind, label, is_required, shown_if } = question;
  const own = (FIELDS[kind] ?? []).filter((field) => question[field] != null).map((field) => [field, field === "choices" ? valuesOf(question) : question[field]]);
  const decides = earlier.find((one) => one.question_id === shown_if?.question_id && DECIDING.includes(one.kind));
  const values = decides && shown_if ? valuesOf(decides).filter((value) => shown_if.values.includes(value)) : [];
  const isPossible = decides && values.length > 0;
  return { question_id, kind, label: label.trim(), is_required, ...Object.fromEntries(own), ...(isPossible && { shown_if: { question_id: decides.question_id, values } }) };
}

/** The questions after a change to one of them: what depends on a choice does so under its new name. */
export function changed(questions: readonly Question[], index: number, part: Partial<Question>): Question[] {
  const question = questions[index] as Question;
  const names = renamed(question.choices ?? [], part.choices ?? []);
  return questions.map((one, at) => {
    if (at === index) return { ...question, ...part };
    if (one.shown_if?.question_id !== question.question_id) return one;
    return { ...one, shown_if: { ...one.shown_if, values: one.shown_if.values.map((value) => names.get(value) ?? value) } };
  });
}

/** New names by the old ones: of as many choices, those whose line is another now. */
function renamed(before: readonly string[], after: readonly string[]): Map<unknown, string> {
  if (before.length !== after.length) return new Map();
  const [old, now] = [before, after].map((choices) => choices.map((choice) => choice.trim())) as [string[], string[]];
  return new Map(old.map((name, at) => [name, now[at] as string] as const).filter(([name, next]) => !now.includes(name) && !old.includes(next)));
}
