import { useEffect, useState } from "preact/hooks";

import { explain } from "../shared/problems";
import type { Placement } from "../shared/survey";
import { Field } from "../shared/ui/field";
import { Refused } from "../shared/ui/refused";
import * as api from "./api";
import { type SurveyPlace, type SurveyView, hrefOf } from "./route";
import { SurveyEditor } from "./survey-editor";
import { SurveyReport } from "./survey-report";
import { SurveyResponses } from "./survey-responses";

const PLACEMENTS: Record<Placement, string> = { "pre-chat": "Before a conversation", "post-chat": "After a conversation", offline: "When nobody is there" };
const VIEWS: Record<SurveyView, string> = { questions: "Questions", report: "Report", responses: "Responses" };

/** What sites ask and what they were told: one survey for each place where something can be asked. */
export function SurveyPage({ place, isAdmin }: { place: SurveyPlace; isAdmin: boolean }) {
  const { sites, problem, load } = useSites();
  const siteId = place.site_id ?? sites?.[0]?.site_id;
  const key = `${siteId}/${place.placement}`;
  return (
    <main class="page wide">
      <div class="page-head survey-head">
        <h1>Surveys</h1>
        {sites && siteId && sites.length > 1 && <SiteChoice sites={sites} siteId={siteId} place={place} />}
      </div>
      {problem && <Refused problem={problem} onRetry={load} />}
      {!sites && !problem && <p class="loading">Loading the surveys…</p>}
      {sites?.length === 0 && <p class="page-empty">There is no site yet.</p>}
      {sites && siteId && (
        <>
          <Tabs siteId={siteId} place={place} />
          {place.view === "questions" && <SurveyEditor key={key} siteId={siteId} placement={place.placement} isAdmin={isAdmin} />}
          {place.view === "report" && <SurveyReport key={key} siteId={siteId} placement={place.placement} />}
          {place.view === "responses" && <SurveyResponses key={key} siteId={siteId} placement={place.placement} />}
        </>
      )}
    </main>
  );
}

interface SiteChoiceProps {
  sites: readonly api.Site[];
  siteId: string;
  place: SurveyPlace;
}

function SiteChoice({ sites, siteId, place }: SiteChoiceProps) {
  const choose = (choice: HTMLSelectElement) => {
    const chosen = choice.value;
    // Until the address says otherwise: whoever has changed something may stay.
    choice.value = siteId;
    location.assign(hrefOf.surveyOf(chosen, place.placement, place.view));
  };
  return (
    <Field id="site" label="Site">
      {(attributes) => (
        <select {...attributes} class="input" value={siteId} onChange={(event) => choose(event.currentTarget)}>
          {sites.map((site) => (
            <option key={site.site_id} value={site.site_id}>
              {site.name}
            </option>
          ))}
        </select>
      )}
    </Field>
  );
}

function Tabs({ siteId, place }: { siteId: string; place: SurveyPlace }) {
  return (
    <div class="tab-rows">
      <nav class="tabs" aria-label="Where it is asked">
        {(Object.keys(PLACEMENTS) as Placement[]).map((placement) => (
          <Tab key={placement} href={hrefOf.surveyOf(siteId, placement, place.view)} isHere={placement === place.placement} testId={`placement-${placement}`}>
            {PLACEMENTS[placement]}
          </Tab>
        ))}
      </nav>
      <nav class="tabs" aria-label="What to look at">
        {(Object.keys(VIEWS) as SurveyView[]).map((view) => (
          <Tab key={view} href={hrefOf.surveyOf(siteId, place.placement, view)} isHere={view === place.view} testId={`view-${view}`}>
            {VIEWS[view]}
          </Tab>
        ))}
      </nav>
    </div>
  );
}

interface TabProps {
  href: string;
  isHere: boolean;
  testId: string;
  children: string | undefined;
}

function Tab({ href, isHere, testId, children }: TabProps) {
  return (
    <a class="tab" href={href} data-testid={testId} {...(isHere && { "aria-current": "page" as const })}>
      {children}
    </a>
  );
}

function useSites() {
  const [sites, setSites] = useState<api.Site[] | null>(null);
  const [problem, setProblem] = useState("");
  const load = async () => {
    setProblem("");
    try {
      setSites((await api.listSites()).sites);
    } catch (error) {
      setProblem(explain(error));
    }
  };
  useEffect(() => void load(), []);
  return { sites, problem, load };
}
