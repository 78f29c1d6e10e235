import { readFileSync } from "node:fs";

import { describe, expect, it } from "vitest";

import { type Answers, type AnswerValue, type Question, type Rules, answerOf, refusalsOf, shownOf } from "../src/shared/survey";

interface Table {
  questions: Question[];
  rules: Rules;
  cases: { answers: Record<string, unknown>; refusals: Record<string, string> }[];
}

/** The table that the server's tests read as well. */
const table = JSON.parse(readFileSync("../../../tests/surveys/answers.json", "utf8")) as Table;
const asked = Object.fromEntries(table.questions.map((question) => [question.question_id, question]));

/** As the server takes it: without the space around it, and without what is empty. */
function present(given: Record<string, unknown>): Answers {
  const tidy = Object.entries(given).map(([key, value]) => [key, typeof value === "string" ? value.trim() : value] as const);
  return Object.fromEntries(tidy.filter(([, value]) => value !== null && value !== "" && value !== false && !(Array.isArray(value) && value.length === 0))) as Answers;
}

describe("the rules of a survey", () => {
  it.each(table.cases.map((one) => [JSON.stringify(one.answers), one] as const))("are the server's: %s", (_, { answers, refusals }) => {
    expect(refusalsOf(table.rules, present(answers))).toEqual(refusals);
  });

  it("know every keyword that the server compiles to", () => {
    const told = new Set(["x-refusals", "properties", "required", "not"]);
    const known = new Set(["type", "enum", "const", "minimum", "maximum", "minItems", "maxItems", "uniqueItems", "items", "contains", "maxLength", "pattern", "x-until-today"]);
    const schemas = [...Object.values(table.rules.properties), ...(table.rules.allOf ?? []).flatMap((one) => Object.values(one.if.properties))];
    expect(schemas.flatMap((schema) => Object.keys(schema)).filter((keyword) => !told.has(keyword) && !known.has(keyword))).toEqual([]);
  });

  it("know no tomorrow", () => {
    const tomorrow = new Date(Date.now() + 36 * 3_600_000).toISOString().slice(0, 10);
    expect(refusalsOf(table.rules, { name: "Ada", born: tomorrow })).toEqual({ born: "This is not a date of birth." });
  });
});

describe("what was entered", () => {
  it.each<[string, AnswerValue | undefined, AnswerValue | undefined]>([
    ["name", "  Ada ", "Ada"],
    ["name", "  ", undefined],
    ["name", undefined, undefined],
    ["seats", "3,5", 3.5],
    ["seats", "three", "three"],
    ["age", "0", 0],
    ["rating", "4", 4],
    ["rating", "", undefined],
    ["colours", [], undefined],
    ["colours", ["red"], ["red"]],
    ["agree", true, true],
    ["agree", false, undefined],
  ])("is an answer to %s: %j", (key, entered, answer) => {
    expect(answerOf(asked[key] as Question, entered)).toEqual(answer);
  });

  it("counts only where it was asked", () => {
    const { questions, answers } = shownOf(table.questions, { topic: "An order", which: "A rake", colours: ["blue"], shade: "dark", age: "0", rating: "1", why: "" });
    expect(answers).toEqual({ topic: "An order", colours: ["blue"], shade: "dark", age: 0, rating: 1 });
    expect(questions.map(({ question_id }) => question_id)).toEqual(expect.arrayContaining(["shade", "why"]));
    expect(questions.map(({ question_id }) => question_id)).not.toContain("which");
  });
});
