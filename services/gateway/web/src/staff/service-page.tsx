import { useEffect, useState } from "preact/hooks";

import { explain } from "../shared/problems";
import type { Topic } from "../shared/survey";
import { Refused } from "../shared/ui/refused";
import * as api from "./api";

const RATINGS = ["1", "2", "3", "4", "5"];
const TOPICS: Record<Topic, string> = { overall: "The chat as a whole", ease: "Easy to use", speed: "Quick", reliability: "Reliable" };
const MONTH = new Intl.DateTimeFormat(undefined, { month: "long", year: "numeric", timeZone: "UTC" });

/** What visitors of all customers say about our own service. There is nothing here of who said it. */
export function ServicePage() {
  const [months, setMonths] = useState<api.ServiceRatings[] | null>(null);
  const [problem, setProblem] = useState("");
  const load = async () => {
    setProblem("");
    try {
      setMonths((await api.getServiceReport()).months);
    } catch (error) {
      setProblem(explain(error));
    }
  };
  useEffect(() => void load(), []);
  return (
    <main class="page narrow">
      <div class="page-head">
        <h1>Our service</h1>
      </div>
      <p>Ratings from 1 to 5 by visitors of all customers, in whole tens. What fewer than ten said in a month is left out.</p>
      {problem && <Refused problem={problem} onRetry={load} />}
      {!months && !problem && <p class="loading">Counting…</p>}
      {months?.length === 0 && <p class="page-empty">Too few have said anything yet.</p>}
      {months && months.length > 0 && <Ratings months={months} />}
    </main>
  );
}

function Ratings({ months }: { months: readonly api.ServiceRatings[] }) {
  return (
    <section class="staff-section table-scroll">
      <table>
        <caption class="visually-hidden">Ratings by month and topic</caption>
        <thead>
          <tr>
            <th scope="col">Month</th>
            <th scope="col">About</th>
            {RATINGS.map((rating) => (
              <th scope="col" class="number" key={rating}>
                {rating}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {months.map(({ month, topic, ratings }) => (
            <tr key={`${month}/${topic}`} data-testid="service-ratings" data-topic={topic}>
              <td>{MONTH.format(new Date(`${month}-01T00:00Z`))}</td>
              <td>{TOPICS[topic]}</td>
              {RATINGS.map((rating) => (
                <td class="number" key={rating}>
                  {ratings[rating] ?? "–"}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}
