import { useState } from "preact/hooks";

import type { PolicyText } from "../shared/ui/policy-text";
import { dayOf } from "../shared/ui/times";
import type { Config } from "./api";

/** What stands before the first word: the notice, and the policy in force. */
export function Notice({ config: { notice, policy } }: { config: Config }) {
  const [Text, setText] = useState<typeof PolicyText | null>(null);
  // Most visitors do not open it. Until what sets it is there, it stands as it was written.
  const load = () =>
    import("../shared/ui/policy-text").then(
      (loaded) => setText(() => loaded.PolicyText),
      () => undefined,
    );
  return (
    <section class="notice" aria-labelledby="notice-title" data-testid="notice">
      <h2 id="notice-title">Before you write</h2>
      <p class="notice-text">{notice}</p>
      <details onToggle={load}>
        <summary>Privacy policy, version {policy.version}</summary>
        <p class="policy-dates">In force since {dayOf(policy.effective_at)}.</p>
        <div class="policy-text" tabIndex={0} role="region" aria-label="Privacy policy">
          {Text ? <Text text={policy.text} /> : policy.text}
        </div>
      </details>
      {policy.upcoming && (
        <p class="policy-dates">
          Version {policy.upcoming.version} takes effect on {dayOf(policy.upcoming.effective_at)}.
        </p>
      )}
    </section>
  );
}

interface AcknowledgementProps {
  version: string;
  isGiven: boolean;
  isMissing: boolean;
  onChange: (isGiven: boolean) => void;
}

export function Acknowledgement({ version, isGiven, isMissing, onChange }: AcknowledgementProps) {
  return (
    <div class="field">
      <label class="check">
        <input
          type="checkbox"
          data-testid="acknowledge"
          data-policy-version={version}
          checked={isGiven}
          aria-invalid={isMissing}
          {...(isMissing && { "aria-describedby": "acknowledge-error" })}
          onChange={(event) => onChange(event.currentTarget.checked)}
        />
        <span>I have read this notice and the privacy policy.</span>
      </label>
      {isMissing && (
        <p class="error" id="acknowledge-error">
          Please confirm this before you start.
        </p>
      )}
    </div>
  );
}
