import { useEffect, useRef, useState } from "preact/hooks";

import { explain } from "../shared/problems";
import type { Placement } from "../shared/survey";
import { Button } from "../shared/ui/button";
import { Refused } from "../shared/ui/refused";
import { Moment } from "../shared/ui/times";
import * as api from "./api";
import { hrefOf } from "./route";
import { PeriodChoice } from "./survey-report";

interface SurveyResponsesProps {
  siteId: string;
  placement: Placement;
}

/** What each visitor answered, the newest first. */
export function SurveyResponses({ siteId, placement }: SurveyResponsesProps) {
  const [period, setPeriod] = useState<api.Period>({ from: "", to: "" });
  const { responses, next, isBusy, problem, load } = useResponses(siteId, placement, period);
  return (
    <section class="report" aria-label="Responses">
      <PeriodChoice period={period} onChange={setPeriod} />
      {problem && <Refused problem={problem} onRetry={() => load(null)} />}
      {!responses && !problem && <p class="loading">Loading the responses…</p>}
      {responses?.length === 0 && <p class="page-empty">Nobody has answered in this time.</p>}
      <ol class="responses">
        {responses?.map((response) => (
          <Response key={response.response_id} response={response} />
        ))}
      </ol>
      {next && (
        <Button look="quiet" isBusy={isBusy} onClick={() => load(next)}>
          Show more
        </Button>
      )}
    </section>
  );
}

function Response({ response: { answered_at, survey_version, conversation_id, answers } }: { response: api.SurveyResponse }) {
  return (
    <li class="question" data-testid="response">
      <p class="survey-intro">
        <Moment at={answered_at} />, to version {survey_version}
        {conversation_id && (
          <>
            {", in "}
            <a href={hrefOf.transcript(conversation_id)}>a conversation</a>
          </>
        )}
      </p>
      <dl class="given">
        {answers.map(({ question_id, label, value }) => (
          <div class="detail" key={question_id} data-question-id={question_id}>
            <dt>{label}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
    </li>
  );
}

function useResponses(siteId: string, placement: Placement, period: api.Period) {
  const [responses, setResponses] = useState<api.SurveyResponse[] | null>(null);
  const [next, setNext] = useState<string | null>(null);
  const [isBusy, setBusy] = useState(false);
  const [problem, setProblem] = useState("");
  const asked = useRef(0);
  const load = async (after: string | null) => {
    const turn = (asked.current += 1);
    // What was asked for other days meanwhile is answered by itself.
    const isWanted = () => turn === asked.current;
    setBusy(true);
    setProblem("");
    try {
      const page = await api.listResponses(siteId, placement, period, after);
      if (!isWanted()) return;
      setResponses((before) => (after && before ? [...before, ...page.responses] : page.responses));
      setNext(page.next);
    } catch (error) {
      if (!isWanted()) return;
      setProblem(explain(error));
    }
    setBusy(false);
  };
  useEffect(() => void load(null), [period]);
  return { responses, next, isBusy, problem, load };
}
