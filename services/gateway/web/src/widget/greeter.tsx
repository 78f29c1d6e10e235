import { call } from "../shared/http";
import { Observable, useObservable } from "../shared/observable";
import { Button } from "../shared/ui/button";
import * as api from "./api";
import type { Chat } from "./chat";

const ROOM = { width: 330, height: 250 };

interface Conversations {
  conversations: { conversation_id: string; status: string }[];
}

/**
 * What not every page needs: the question for a cookie, whoever comes back with one, the pages of a visit, and the
 * invitation. Loaded where a site wants one of them.
 */
export class Greeter {
  readonly isAsking = new Observable(false);
  readonly hasCookie = new Observable(false);
  readonly isInviting = new Observable(false);
  #pages = 0;
  #told = "";
  #isDone = false;

  constructor(
    private readonly chat: Chat,
    private readonly config: api.Config,
    isTold: boolean,
  ) {
    const { cookies } = config;
    const { host } = chat;
    const isForbidden = (navigator as { globalPrivacyControl?: boolean }).globalPrivacyControl === true;
    if (isTold) [this.#told, this.#pages] = [host.currentPage.url, 1];
    this.hasCookie.set(Boolean(cookies?.enabled && cookies.is_set));
    this.isAsking.set(Boolean(cookies?.enabled && !cookies.is_set && !isForbidden && !hasDeclined(COOKIE, chat.siteKey)));
    host.onPage = () => void this.#tell();
    // Whoever has opened the chat needs no invitation any more.
    chat.isOpen.subscribe((isOpen) => isOpen && this.dismiss(false));
    void this.#begin();
  }

  async #begin(): Promise<void> {
    if (!this.chat.token && this.hasCookie.value) await this.#recognise().catch(() => undefined);
    await this.#tell();
    const { invitation, online } = this.config;
    if (!invitation || !online || this.chat.stage.value.name !== "start" || hasDeclined(INVITATION, this.chat.siteKey)) return;
    setTimeout(() => void this.#invite(invitation.after_pages), invitation.after_seconds * 1_000);
  }

  /** Whoever comes back with the cookie is who they were, and in the conversation that they were in. */
  async #recognise(): Promise<void> {
    const { chat } = this;
    const { url } = chat.host.currentPage;
    const { visitor_token, page_count } = await api.startVisit(chat.siteKey, chat.host.currentPage, "");
    this.#told = url;
    this.#pages = page_count;
    chat.visitToken = visitor_token;
    const { conversations } = await call<Conversations>("/api/v1/widget/conversations?limit=20", { token: visitor_token });
    const open = conversations.find(({ status }) => status === "queued" || status === "active");
    if (open) await chat.join({ token: visitor_token, conversation_id: open.conversation_id });
  }

  /** Where a visitor who is known has come to; of others nothing is told. */
  async #tell(): Promise<void> {
    const { siteKey, host, token } = this.chat;
    const { url } = host.currentPage;
    if (url === this.#told) return;
    this.#told = url;
    this.#pages += 1;
    if (!token || !this.config.has_trail) return;
    const visit = await api.startVisit(siteKey, host.currentPage, token).catch(() => null);
    if (visit) this.#pages = visit.page_count;
  }

  async #invite(afterPages: number): Promise<void> {
    const { chat } = this;
    if (this.#isDone || chat.isOpen.value || this.#pages < afterPages || !(await this.#mayInvite())) return;
    if (this.#isDone || chat.isOpen.value) return;
    this.isInviting.set(true);
    chat.host.resize(false, ROOM);
  }

  /** Of a visitor who is known, the server knows when they were invited last. Others are invited on arriving, at most. */
  async #mayInvite(): Promise<boolean> {
    const { token, siteKey, host } = this.chat;
    if (!token) return isArrival(host.currentPage);
    const path = `/api/v1/widget/invitations?site=${encodeURIComponent(siteKey)}`;
    return (await call<{ is_due: boolean }>(path, { method: "POST", body: {}, token }).catch(() => null))?.is_due ?? false;
  }

  /** The invitation goes, and does not come again on this page; nor, after a click, in this tab. */
  dismiss(isClick: boolean): void {
    this.#isDone = true;
    if (isClick) decline(INVITATION, this.chat.siteKey);
    if (!this.isInviting.value) return;
    this.isInviting.set(false);
    if (!this.chat.isOpen.value) this.chat.host.resize(false);
  }

  async #agree(): Promise<void> {
    const { chat } = this;
    this.isAsking.set(false);
    const visit = await api.startVisit(chat.siteKey, chat.host.currentPage, chat.token, true).catch(() => null);
    if (!visit) return this.isAsking.set(true);
    if (!chat.token) chat.visitToken = visit.visitor_token;
    this.hasCookie.set(visit.has_cookie);
  }

  #refuse(): void {
    this.isAsking.set(false);
    decline(COOKIE, this.chat.siteKey);
  }

  /** The visitor wants to be recognised no more: the cookie is deleted, and stands for nobody. */
  async withdraw(): Promise<void> {
    await call(`/api/v1/widget/cookie?site=${encodeURIComponent(this.chat.siteKey)}`, { method: "DELETE" });
    this.hasCookie.set(false);
  }

  Question = () => {
    if (!useObservable(this.isAsking)) return null;
    return (
      <section class="note" aria-label="A cookie" data-testid="cookie-question" style={{ margin: "12px 18px 0" }}>
        <p>
          May we place a cookie, for {this.config.cookies?.lasts_days} days, so that we recognise you when you come back? The chat works without it, too.{" "}
          <a href="/privacy/cookies" target="_blank" rel="noopener">
            More about it
          </a>
        </p>
        <div style={{ display: "flex", gap: "8px", marginTop: "8px" }}>
          <Button look="quiet small" data-testid="cookie-yes" onClick={() => void this.#agree()}>
            Yes, please
          </Button>
          <Button look="quiet small" data-testid="cookie-no" onClick={() => this.#refuse()}>
            No, thank you
          </Button>
        </div>
      </section>
    );
  };

  Invitation = ({ onOpen }: { onOpen: () => void }) => {
    if (!useObservable(this.isInviting)) return null;
    return (
      <section aria-label="Invitation" data-testid="invitation" style={BUBBLE}>
        <p role="status">{this.config.invitation?.text}</p>
        <div style={{ display: "flex", gap: "8px", marginTop: "10px" }}>
          <Button look="small" data-testid="invitation-accept" onClick={onOpen}>
            Chat with us
          </Button>
          <Button look="quiet small" data-testid="invitation-dismiss" onClick={() => this.dismiss(true)}>
            No, thank you
          </Button>
        </div>
      </section>
    );
  };
}

const BUBBLE = {
  position: "fixed",
  right: "10px",
  bottom: "78px",
  left: "10px",
  padding: "14px 16px",
  borderRadius: "14px",
  background: "var(--surface)",
  boxShadow: "0 2px 12px rgb(15 25 22 / 24%)",
  colorScheme: "light dark",
} as const;

/** The page is not one that another page of the same site led to: there, the visitor may have been invited already. */
function isArrival({ url, referrer }: { url: string; referrer: string }): boolean {
  try {
    return !referrer || new URL(referrer).origin !== new URL(url).origin;
  } catch {
    return true;
  }
}

const COOKIE = "cookie";
const INVITATION = "invitation";

/** Whether the visitor has said no to it in this tab. */
function hasDeclined(what: string, siteKey: string): boolean {
  try {
    return sessionStorage.getItem(`velaro.no-${what}.${siteKey}`) !== null;
  } catch {
    return false;
  }
}

function decline(what: string, siteKey: string): void {
  try {
    sessionStorage.setItem(`velaro.no-${what}.${siteKey}`, "1");
  } catch {
    // Refused: then it is known on this page alone.
  }
}
