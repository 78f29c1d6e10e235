import { Moment } from "../shared/ui/times";
import type { TrailPage } from "./api";

/** The pages a visitor has been to, the first one first. What their browser said is text here, and no link. */
export function Trail({ pages }: { pages: readonly TrailPage[] }) {
  if (pages.length === 0) return null;
  return (
    <section aria-label="Pages">
      <h3>Pages of the visit</h3>
      <ol class="trail" data-testid="trail">
        {pages.map(({ url, title, seen_at }, index) => (
          <li key={`${index} ${url}`} data-testid="trail-page">
            {title || url} {seen_at && <Moment at={seen_at} />}
            {title && <span class="trail-address">{url}</span>}
          </li>
        ))}
      </ol>
    </section>
  );
}
