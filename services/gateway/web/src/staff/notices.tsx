import { useEffect, useState } from "preact/hooks";

import { Moment } from "../shared/ui/times";
import * as api from "./api";

const LOOK_AGAIN_MS = 3_000;
const TITLES: Record<api.Notices["kind"], string> = { notice: "Notice", reminder: "Reminder" };

/** How many customers have been told of a version, looked at again and again. */
export function NoticesOf({ version }: { version: string }) {
  const [notices, setNotices] = useState<api.Notices[]>([]);
  useEffect(() => {
    const look = async () => {
      const found = await api.getNotices(version).catch(() => null);
      if (found) setNotices(found.notices);
    };
    void look();
    const timer = setInterval(() => void look(), LOOK_AGAIN_MS);
    return () => clearInterval(timer);
  }, [version]);
  return (
    <section class="staff-section staff-notices" aria-label={`Notices of version ${version}`} data-testid="notices" data-version={version}>
      <h2>Version {version}: who has been told</h2>
      {notices.length === 0 && <p>Nobody yet.</p>}
      <ul>
        {notices.map((each) => (
          <li key={each.kind} data-testid="notices-of-kind" data-kind={each.kind}>
            <Progress notices={each} />
          </li>
        ))}
      </ul>
    </section>
  );
}

function Progress({ notices: { kind, customers, is_planned, sent, waiting, failed, repeated, away_since, unsent } }: { notices: api.Notices }) {
  const all = Math.max(customers, sent + waiting + failed);
  return (
    <>
      <p>
        {TITLES[kind]}: <span data-testid="sent">{sent}</span> of {all} customers{!is_planned && ", still counting"}
        {failed > 0 && `, ${failed} could not be reached`}
        {repeated > 0 && `, ${repeated} perhaps twice`}
      </p>
      <progress value={sent} max={Math.max(all, 1)} aria-label={`${TITLES[kind]} sent`} />
      {away_since && (
        <p class="note problem">
          The mail server is away since <Moment at={away_since} />. It is tried again.
        </p>
      )}
      {unsent.length > 0 && (
        <details>
          <summary>Refused: {unsent.length}</summary>
          <ul>
            {unsent.map(({ customer_id, addresses, reason, attempts }) => (
              <li key={customer_id}>
                {addresses.join(", ") || customer_id}: {reason} ({attempts} attempts)
              </li>
            ))}
          </ul>
        </details>
      )}
    </>
  );
}
