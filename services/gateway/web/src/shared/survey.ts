export type Kind =
  | "text" | "long-text" | "email" | "phone" | "number" | "age" | "birth-date" | "postcode" | "income-band" | "choice" | "choices" | "rating" | "consent";

export type Placement = "pre-chat" | "post-chat" | "offline";
export type Topic = "overall" | "ease" | "speed" | "reliability";
export type AnswerValue = string | number | boolean | string[];
export type Answers = Record<string, AnswerValue>;

/** A question as the public edge gives it; what does not fit its kind is left out. */
export interface Question {
  question_id: string;
  kind: Kind;
  label: string;
  is_required: boolean;
  choices?: string[] | null;
  max_length?: number | null;
  pattern?: string | null;
  pattern_hint?: string | null;
  minimum?: number | null;
  maximum?: number | null;
  min_choices?: number | null;
  max_choices?: number | null;
  scale?: number | null;
  shown_if?: { question_id: string; values: (string | number | boolean)[] } | null;
  about_service?: Topic | null;
}

export interface Survey {
  survey_id: string;
  version: number;
  questions: Question[];
  rules: Rules;
}

type Schema = Record<string, unknown> & { "x-refusals"?: Record<string, string> };

/** What fits: the part of JSON Schema (2020-12) that the server compiles questions to. */
export interface Rules {
  properties: Record<string, Schema>;
  required: string[];
  allOf?: { if: { properties: Record<string, Schema>; required: string[] }; then: true | { required: string[] }; else: { properties: object } }[];
}

type Check = (limit: never, value: never) => boolean;

/** The keywords that are understood, in the order in which they are told. */
const CHECKS: Record<string, Check> = {
  type: (type: string, value: unknown) =>
    type === "array" ? Array.isArray(value) : type === "integer" ? Number.isInteger(value) : typeof value === type,
  enum: (choices: unknown[], value: unknown) => choices.includes(value),
  const: (only: unknown, value: unknown) => value === only,
  minimum: (least: number, value: number) => value >= least,
  maximum: (most: number, value: number) => value <= most,
  minItems: (least: number, value: unknown[]) => value.length >= least,
  maxItems: (most: number, value: unknown[]) => value.length <= most,
  uniqueItems: (_: true, value: unknown[]) => new Set(value).size === value.length,
  items: (each: Schema, value: unknown[]) => value.every((one) => !broken(each, one)),
  contains: (some: Schema, value: unknown) => !Array.isArray(value) || value.some((one) => !broken(some, one)),
  maxLength: (most: number, value: string) => [...value].length <= most,
  pattern: (pattern: string, value: string) => new RegExp(pattern, "u").test(value),
  "x-until-today": (_: true, value: string) => value <= new Date().toISOString(),
};

function broken(schema: Schema, value: unknown): string | undefined {
  return Object.keys(CHECKS).find((keyword) => keyword in schema && !CHECKS[keyword]?.(schema[keyword] as never, value as never));
}

const has = (object: object, key: string) => Object.hasOwn(object, key);

/** What is wrong with answers, by question, in the words of the server. */
export function refusalsOf({ properties, required, allOf = [] }: Rules, answers: Answers): Record<string, string> {
  const wrong: Record<string, string> = {};
  const need = (keys: string[] = []) => keys.forEach((key) => has(answers, key) || (wrong[key] = "This question needs an answer."));
  const forbid = (key: string) => has(answers, key) && (wrong[key] = "There is no such question.");
  need(required);
  for (const [key, value] of Object.entries(answers)) {
    const schema = has(properties, key) ? properties[key] : undefined;
    const keyword = schema && broken(schema, value);
    if (!schema) forbid(key);
    else if (keyword) wrong[key] = schema["x-refusals"]?.[keyword] ?? schema["x-refusals"]?.[""] ?? keyword;
  }
  for (const { if: test, then, else: otherwise } of allOf) {
    const [key, schema] = Object.entries(test.properties)[0] as [string, Schema];
    if (has(answers, key) && !broken(schema, answers[key])) need(then === true ? [] : then.required);
    else Object.keys(otherwise.properties).forEach(forbid);
  }
  return wrong;
}

/** What was typed or ticked, as an answer; undefined if it is none. What is no number stays as it was typed. */
export function answerOf({ kind }: Question, value: AnswerValue | undefined): AnswerValue | undefined {
  if (Array.isArray(value)) return value.length > 0 ? value : undefined;
  if (typeof value !== "string") return value || undefined;
  const text = value.trim();
  const number = Number(text.replace(",", "."));
  return /^(number|age|rating)$/.test(kind) && text && Number.isFinite(number) ? number : text || undefined;
}

/** The questions that are to be shown, and the answers to them: an earlier answer may decide. */
export function shownOf(questions: readonly Question[], values: Answers): { questions: Question[]; answers: Answers } {
  const answers: Answers = {};
  const shown = questions.filter((question) => {
    const { question_id, shown_if } = question;
    const isShown = !shown_if || [answers[shown_if.question_id]].flat().some((value) => shown_if.values.includes(value as string));
    const answer = isShown && answerOf(question, values[question_id]);
    if (answer) answers[question_id] = answer;
    if (answer === 0) answers[question_id] = 0;
    return isShown;
  });
  return { questions: shown, answers };
}
