import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";

import { explain } from "../shared/problems";
import type { Placement } from "../shared/survey";
import { Field, valueOf } from "../shared/ui/field";
import { Refused } from "../shared/ui/refused";
import * as api from "./api";

interface SurveyReportProps {
  siteId: string;
  placement: Placement;
}

const BAR = { width: 240, height: 16 };

/** What the answers come to, question by question. */
export function SurveyReport({ siteId, placement }: SurveyReportProps) {
  const [period, setPeriod] = useState<api.Period>({ from: "", to: "" });
  const { report, problem, load } = useReport(siteId, placement, period);
  return (
    <section class="report" aria-label="Report" data-testid="report">
      <PeriodChoice period={period} onChange={setPeriod}>
        <a class="button quiet" href={api.tableOf(siteId, placement, period)} download data-testid="csv">
          All responses as CSV
        </a>
      </PeriodChoice>
      {problem && <Refused problem={problem} onRetry={load} />}
      {!report && !problem && <p class="loading">Counting…</p>}
      {report && (
        <>
          <p role="status" data-testid="report-count">
            {report.responses === 0 ? "Nobody has answered in this time." : report.responses === 1 ? "1 response" : `${report.responses} responses`}
          </p>
          {report.questions.map((question) => (
            <QuestionReport key={`${question.question_id}/${question.kind}`} question={question} of={report.responses} />
          ))}
        </>
      )}
    </section>
  );
}

interface PeriodChoiceProps {
  period: api.Period;
  onChange: (period: api.Period) => void;
  children?: ComponentChildren;
}

export function PeriodChoice({ period, onChange, children }: PeriodChoiceProps) {
  const day = (which: "from" | "to", label: string) => (
    <Field id={`period-${which}`} label={label}>
      {(attributes) => <input {...attributes} class="input" type="date" max="9999-12-31" value={period[which]} onChange={(event) => onChange({ ...period, [which]: valueOf(event) })} />}
    </Field>
  );
  return (
    <div class="period">
      {day("from", "From")}
      {day("to", "To")}
      {children}
    </div>
  );
}

function QuestionReport({ question, of }: { question: api.QuestionReport; of: number }) {
  const { question_id, label, kind, is_current, answered, bars, smallest, largest, mean } = question;
  const numbers = kind !== "age" && mean !== null && `; on average ${rounded(mean)}${kind === "number" ? `, from ${rounded(smallest)} to ${rounded(largest)}` : ""}`;
  return (
    <article class="report-question" aria-labelledby={`report-${question_id}`} data-testid="report-question" data-question-id={question_id}>
      <h2 id={`report-${question_id}`}>{label}</h2>
      <p class="survey-intro">
        {answered} of {of} answered{numbers}
        {!is_current && "; not asked any more"}
      </p>
      {bars.length > 0 && <Bars bars={bars} answered={answered} />}
    </article>
  );
}

/** The same twice in each row: as numbers that can be read out, copied and searched, and as a bar for the eye. */
function Bars({ bars, answered }: { bars: api.QuestionReport["bars"]; answered: number }) {
  const most = Math.max(1, ...bars.map(({ count }) => count));
  return (
    <table class="bars">
      <thead class="visually-hidden">
        <tr>
          <th scope="col">Answer</th>
          <th scope="col">Responses</th>
          <th scope="col">Share</th>
        </tr>
      </thead>
      <tbody>
        {bars.map(({ label, count }) => (
          <tr key={label}>
            <th scope="row">{label}</th>
            <td class="number">{count}</td>
            <td class="number">{answered > 0 ? `${Math.round((count / answered) * 100)} %` : "–"}</td>
            <td aria-hidden="true">
              <svg viewBox={`0 0 ${BAR.width} ${BAR.height}`} width={BAR.width} height={BAR.height}>
                <rect class="bar" width={(count / most) * BAR.width} height={BAR.height} rx={3} />
              </svg>
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function rounded(number: number | null): string {
  return number === null ? "" : String(Math.round(number * 100) / 100);
}

function useReport(siteId: string, placement: Placement, period: api.Period) {
  const [report, setReport] = useState<api.Report | null>(null);
  const [problem, setProblem] = useState("");
  const [attempts, setAttempts] = useState(0);
  useEffect(() => {
    let isWanted = true;
    setProblem("");
    api.getReport(siteId, placement, period).then(
      (found) => isWanted && setReport(found),
      (error) => isWanted && setProblem(explain(error)),
    );
    return () => {
      isWanted = false;
    };
  }, [period, attempts]);
  return { report, problem, load: () => setAttempts(attempts + 1) };
}
