import { useEffect, useState } from "preact/hooks";

import * as api from "./account-api";
import { hrefOf } from "./route";

const LOOK_AGAIN_MS = 5 * 60_000;

/** Says, on every page, that the account is incomplete. ``place`` is where one is: leaving the page of it is a reason to look again. */
export function AccountBanner({ place }: { place: string }) {
  const [account, setAccount] = useState<api.Account | null>(null);
  useEffect(() => {
    const look = async () => setAccount(await api.getAccount().catch(() => null));
    void look();
    const timer = setInterval(() => void look(), LOOK_AGAIN_MS);
    return () => clearInterval(timer);
  }, [place]);
  if (!account || account.is_complete || place === "account") return null;
  return (
    <p class="note warning account-banner" role="status" data-testid="account-banner">
      Your account is incomplete: {whatIsMissing(account)}. Until then no site can be added. <a href={hrefOf.account}>See to it</a>
    </p>
  );
}

export function whatIsMissing({ contact, billing }: api.Account): string {
  if (contact.state === "missing" || billing.state === "missing") {
    return `please give us your ${[contact.state === "missing" && "contact", billing.state === "missing" && "billing"].filter(Boolean).join(" and ")} details`;
  }
  return "please confirm that your contact and billing details are still right";
}
