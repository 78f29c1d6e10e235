import { useEffect, useId, useState } from "preact/hooks";

import { explain } from "../shared/problems";
import { Button } from "../shared/ui/button";
import { Field, valueOf } from "../shared/ui/field";
import { AddSite } from "./add-site";
import * as api from "./api";
import { SiteTag } from "./site-tag";

const ADDRESSES = { full: "In full", truncated: "Shortened", off: "Not at all" };
const PAGES = { full: "With everything behind the ?, secrets hidden", path: "Without what is behind the ?", off: "Not at all" };
const FIRST: api.Invitation = { text: "Can we help you?", after_seconds: 20, after_pages: 1, every_hours: 24 };

/** The customer's sites: the tag of each, what is captured of its visitors, and what may be done with them. */
export function SitesPage({ isAdmin }: { isAdmin: boolean }) {
  const [sites, setSites] = useState<api.Site[]>([]);
  const [problem, setProblem] = useState("");
  useEffect(() => void api.listSites().then((found) => setSites(found.sites), (error) => setProblem(explain(error))), []);
  return (
    <main class="page narrow">
      <h1>Sites</h1>
      {problem && (
        <p class="note problem" role="alert">
          {problem}
        </p>
      )}
      {sites.map((site) => (
        <SiteChoices key={site.site_id} site={site} isAdmin={isAdmin} />
      ))}
      {isAdmin && <AddSite onAdded={(added) => setSites((known) => [...known.filter(({ site_id }) => site_id !== added.site_id), added])} />}
    </main>
  );
}

function SiteChoices({ site: { site_id, site_key, name, choices: saved }, isAdmin }: { site: api.Site; isAdmin: boolean }) {
  const [choices, setChoices] = useState(saved);
  const [said, setSaid] = useState("");
  const [problem, setProblem] = useState("");
  const [isBusy, setBusy] = useState(false);
  const change = (part: Partial<api.Choices>) => {
    setSaid("");
    setChoices({ ...choices, ...part });
  };
  const save = async () => {
    setBusy(true);
    setProblem("");
    try {
      setChoices((await api.saveChoices(site_id, choices)).choices);
      setSaid("Saved. It counts within half a minute.");
    } catch (error) {
      setProblem(explain(error));
    }
    setBusy(false);
  };
  return (
    <form
      class="site-choices"
      aria-labelledby={`site-${site_id}`}
      data-testid="site"
      data-site-id={site_id}
      onSubmit={(event) => {
        event.preventDefault();
        if (!isBusy) void save();
      }}
    >
      <h2 id={`site-${site_id}`}>{name}</h2>
      <SiteTag siteKey={site_key} />
      <fieldset disabled={!isAdmin}>
        <legend>What is captured of visitors</legend>
        <p>What is off is written nowhere.</p>
        <Choice id="ip_capture" label="IP address" options={ADDRESSES} value={choices.ip_capture} onChange={(ip_capture) => change({ ip_capture })} />
        <Choice id="page_capture" label="Addresses of pages" options={PAGES} value={choices.page_capture} onChange={(page_capture) => change({ page_capture })} />
        <Check id="has_trail" label="All pages of a visit, from when they have agreed to a cookie or started a chat" isOn={choices.has_trail} onChange={(has_trail) => change({ has_trail })} />
        <Check id="has_browser" label="Browser, operating system and device" isOn={choices.has_browser} onChange={(has_browser) => change({ has_browser })} />
        <Check id="has_language" label="Language" isOn={choices.has_language} onChange={(has_language) => change({ has_language })} />
      </fieldset>
      <fieldset disabled={!isAdmin}>
        <legend>Cookies</legend>
        <Check id="has_cookies" label="Ask visitors for a cookie that recognises them when they come back" isOn={choices.has_cookies} onChange={(has_cookies) => change({ has_cookies })} />
        <p class="hint">
          Nobody is asked whose browser sends Global Privacy Control, and the chat works without. <a href="/privacy/cookies">What it is</a>
        </p>
      </fieldset>
      <fieldset disabled={!isAdmin}>
        <legend>Invitation</legend>
        <Check id="has_invitation" label="Invite visitors who have not asked anything, while somebody is here" isOn={choices.invitation !== null} onChange={(isOn) => change({ invitation: isOn ? FIRST : null })} />
        {choices.invitation && <InvitationFields invitation={choices.invitation} onChange={(invitation) => change({ invitation })} />}
      </fieldset>
      {problem && (
        <p class="note problem" role="alert" data-testid="choices-problem">
          {problem}
        </p>
      )}
      {isAdmin && (
        <Button type="submit" data-testid="save-choices" isBusy={isBusy}>
          Save
        </Button>
      )}
      <p role="status" data-testid="choices-saved">
        {said}
      </p>
    </form>
  );
}

function InvitationFields({ invitation, onChange }: { invitation: api.Invitation; onChange: (invitation: api.Invitation) => void }) {
  const NUMBERS = [
    ["after_seconds", "After so many seconds on the page", 3_600],
    ["after_pages", "On this page of the visit, at the earliest", 50],
    ["every_hours", "To the same visitor again after so many hours", 2_160],
  ] as const;
  const id = useId();
  return (
    <>
      <Field id={`${id}-text`} label="What it says">
        {(attributes) => (
          <input {...attributes} class="input" required maxLength={200} data-testid="invitation-text" value={invitation.text} onInput={(event) => onChange({ ...invitation, text: valueOf(event) })} />
        )}
      </Field>
      {NUMBERS.map(([name, label, max]) => (
        <Field key={name} id={`${id}-${name}`} label={label}>
          {(attributes) => (
            <input
              {...attributes}
              class="input"
              type="number"
              required
              min={1}
              max={max}
              data-testid={name}
              value={invitation[name]}
              onInput={(event) => onChange({ ...invitation, [name]: Number(valueOf(event)) })}
            />
          )}
        </Field>
      ))}
      <p class="hint">A visitor who has no cookie is invited on the page they arrive at, and on no other.</p>
    </>
  );
}

interface ChoiceProps<Value extends string> {
  id: string;
  label: string;
  options: Record<Value, string>;
  value: Value;
  onChange: (value: Value) => void;
}

function Choice<Value extends string>({ id, label, options, value, onChange }: ChoiceProps<Value>) {
  // Each site has this field: an id of its own ties the label to the right one.
  const field = useId();
  return (
    <Field id={field} label={label}>
      {(attributes) => (
        <select {...attributes} class="input" data-testid={id} value={value} onChange={(event) => onChange(valueOf(event) as Value)}>
          {Object.entries<string>(options).map(([name, words]) => (
            <option key={name} value={name}>
              {words}
            </option>
          ))}
        </select>
      )}
    </Field>
  );
}

function Check({ id, label, isOn, onChange }: { id: string; label: string; isOn: boolean; onChange: (isOn: boolean) => void }) {
  return (
    <div class="field">
      <label class="check">
        <input type="checkbox" data-testid={id} checked={isOn} onChange={(event) => onChange(event.currentTarget.checked)} />
        <span>{label}</span>
      </label>
    </div>
  );
}
