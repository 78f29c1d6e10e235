import { Connection, type ConnectionOptions } from "../shared/connection";
import type { ConversationLog, ConversationView } from "../shared/conversation-log";
import { isOver } from "../shared/frames";
import { Observable } from "../shared/observable";
import { Problem, explain } from "../shared/problems";
import type { Answers } from "../shared/survey";
import { forgetUnsent } from "../shared/unsent";
import * as api from "./api";
import type { Greeter } from "./greeter";
import type { Host } from "./host";
import type { Memory } from "./memory";
import { OtherTabs, type Talk } from "./other-tabs";

export type Stage =
  | { name: "loading" }
  | { name: "unavailable"; detail: string }
  | { name: "start"; config: api.Config }
  | { name: "erased"; config: api.Config | null; token: string; erasure: api.Erasure }
  | { name: "talking"; config: api.Config | null; log: ConversationLog; connection: Connection };

/** Why a conversation could not be started, for the form to show. */
export interface StartProblem {
  detail: string;
  fields: Record<string, string>;
}

const ANSWER_PREFIX = "answers.";
const STALE_MS = 30_000;
const NOT_ACKNOWLEDGED = "policy-not-acknowledged";

const is = (error: unknown, code: string) => error instanceof Problem && error.code === code;

/** One visitor's chat on one site: what is shown, and what a click does. */
export class Chat {
  readonly stage = new Observable<Stage>({ name: "loading" });
  readonly isOpen = new Observable(false);
  readonly unread = new Observable(0);
  readonly showsOwnData = new Observable(false);
  /** The policy changed while the visitor talks, and nothing more is accepted before they have read the notice again. */
  readonly isAsking = new Observable(false);
  #config: api.Config | null = null;
  #connection: Connection | null = null;
  readonly #otherTabs: OtherTabs;
  #seen = 0;
  #configuredAt = 0;
  /** Known from a cookie, or from a start that failed half-way, so that the next one is the same visit; nowhere stored. */
  visitToken = "";
  /** What only some sites want, and only of some visitors. */
  readonly greeter = new Observable<Greeter | null>(null);

  constructor(
    readonly siteKey: string,
    readonly host: Host,
    private readonly memory: Memory,
    private readonly connectionOptions: Partial<ConnectionOptions> = {},
  ) {
    this.#otherTabs = new OtherTabs(siteKey, connectionOptions.tabs?.openChannel);
  }

  /** Shows the launcher, or the conversation that this tab, or another on this site, is in. Without one, writes nothing. */
  async begin(): Promise<void> {
    const remembered = this.memory.read();
    this.isOpen.set(this.host.isAbsent || (remembered?.is_open ?? false));
    this.host.resize(this.isOpen.value);
    this.#otherTabs.ask(() => this.#ownTalk(), (talk) => void this.join(talk));
    if (remembered?.conversation_id) await this.#returnTo(remembered.token, remembered.conversation_id);
    await this.loadConfig();
  }

  async loadConfig(): Promise<void> {
    if (this.stage.value.name === "unavailable") this.stage.set({ name: "loading" });
    try {
      this.#config = await api.getConfig(this.siteKey);
      this.#configuredAt = Date.now();
      const { value } = this.stage;
      const isKept = value.name === "talking" || value.name === "erased";
      this.stage.set(isKept ? { ...value, config: this.#config } : { name: "start", config: this.#config });
      await this.#greet();
    } catch (error) {
      if (this.stage.value.name === "loading") this.stage.set({ name: "unavailable", detail: explain(error) });
    }
  }

  open(): void {
    this.isOpen.set(true);
    this.#markRead();
    this.host.resize(true);
    this.#rememberOpenness();
    // Somebody may have come or gone since the page was loaded.
    if (this.stage.value.name === "start" && Date.now() - this.#configuredAt > STALE_MS) void this.loadConfig();
  }

  minimise(): void {
    if (this.host.isAbsent) return;
    this.isOpen.set(false);
    this.host.resize(false);
    this.#rememberOpenness();
  }

  /** Starts the conversation; the acknowledged version is the one that was on the screen. */
  start(policyVersion: string, answers: Answers | null, surveyVersion?: number): Promise<StartProblem | null> {
    return this.#attempt(async () => {
      const token = await this.#visit();
      const { conversation_id, status, position } = await api.openConversation(token, policyVersion, answers, surveyVersion);
      this.visitToken = "";
      this.#remember({ token, conversation_id });
      this.#otherTabs.tell({ token, conversation_id });
      this.#talk(token, conversation_id).change({ status: status ?? "queued", position: position ?? null });
      void this.#greet(true);
    });
  }

  /** Leaves answers while nobody is there; under one `clientId` they are left once. */
  leave(policyVersion: string, answers: Answers, surveyVersion: number | undefined, clientId: string): Promise<StartProblem | null> {
    return this.#attempt(async () => void (await api.answerOffline(await this.#visit(), policyVersion, answers, surveyVersion, clientId)));
  }

  /** Answers what the site asks after the conversation. */
  answer(answers: Answers, surveyVersion: number): Promise<StartProblem | null> {
    return this.#attempt(async () => {
      const { token, conversation_id } = this.memory.read() ?? {};
      if (!token || !conversation_id) return;
      await api.answerAfterwards(token, conversation_id, answers, surveyVersion).catch((error: unknown) => {
        // Another tab was first.
        if (!is(error, "already-answered")) throw error;
      });
      this.setAnswered();
    });
  }

  /** Whether the site has asked what it wants to know after this conversation. */
  get isAnswered(): boolean {
    return this.memory.read()?.is_answered ?? false;
  }

  setAnswered(): void {
    this.memory.write({ is_answered: true });
  }

  async #attempt(act: () => Promise<void>): Promise<StartProblem | null> {
    try {
      await act();
      return null;
    } catch (error) {
      return this.#startProblem(error);
    }
  }

  send(text: string): void {
    const { value } = this.stage;
    if (value.name === "talking") value.connection.send(value.log.conversationId, text);
  }

  retry(clientId: string): void {
    const { value } = this.stage;
    if (value.name === "talking") value.connection.retry(value.log.conversationId, clientId);
  }

  /** Acknowledges the version that was on the screen, and sends what was refused without; a sentence if that failed. */
  async acknowledge(policyVersion: string): Promise<string | null> {
    const { value } = this.stage;
    const token = this.memory.read()?.token;
    if (value.name !== "talking" || !token) return null;
    try {
      await api.acknowledgePolicy(token, value.log.conversationId, policyVersion);
      this.isAsking.set(false);
      for (const { client_id, state } of value.log.view.value.outgoing) if (state === "failed") this.retry(client_id);
      return null;
    } catch (error) {
      if (!is(error, NOT_ACKNOWLEDGED)) return explain(error);
      await this.loadConfig();
      return "The privacy policy has changed once more. Please read the notice again.";
    }
  }

  /** Ends the conversation; gives a sentence when that did not work. */
  async close(): Promise<string | null> {
    const { value } = this.stage;
    const token = this.memory.read()?.token;
    if (value.name !== "talking" || !token) return null;
    try {
      await api.closeConversation(token, value.log.conversationId);
      value.log.change({ status: "closed", position: null });
      return null;
    } catch (error) {
      return explain(error);
    }
  }

  /** The visitor's secret; empty if there is nothing of them that they could ask for. */
  get token(): string {
    return this.memory.read()?.token || this.visitToken;
  }

  copy(): Promise<unknown> {
    return api.getCopy(this.token);
  }

  /** Has everything there is of the visitor erased; their token is good for seeing how that stands, and not remembered. */
  async erase(): Promise<void> {
    const { token } = this;
    this.#showErasure(token, await api.askErasure(token));
  }

  /** From a closed conversation back to the notice. */
  startAgain(): void {
    this.#hangUp();
    this.#forgetUnsent();
    if (this.memory.read()) this.memory.write({ conversation_id: null });
    this.showsOwnData.set(false);
    this.stage.set(this.#config ? { name: "start", config: this.#config } : { name: "loading" });
    // The policy in force may have changed since this page was loaded.
    void this.loadConfig();
  }

  /** What is wanted here of what not every page needs is loaded now. */
  async #greet(isTold = false): Promise<void> {
    const { cookies, invitation, has_trail } = this.#config ?? {};
    if (this.greeter.value || !(cookies?.enabled || invitation || (has_trail && this.token))) return;
    const { Greeter } = await import("./greeter");
    this.greeter.set(new Greeter(this, this.#config as api.Config, isTold));
  }

  async #visit(): Promise<string> {
    return (this.visitToken ||= await this.#newVisit());
  }

  async #newVisit(): Promise<string> {
    const known = this.memory.read()?.token ?? "";
    try {
      const { visitor_token } = await api.startVisit(this.siteKey, this.host.currentPage, known);
      return visitor_token || known;
    } catch (error) {
      if (!known || !(error instanceof Problem && error.status === 401)) throw error;
      this.memory.forget();
      return this.#newVisit();
    }
  }

  /** What other tabs may show as well. */
  #ownTalk(): Talk | null {
    const { token, conversation_id } = this.memory.read() ?? {};
    return token && conversation_id && !this.#isOver ? { token, conversation_id } : null;
  }

  get #isOver(): boolean {
    const { value } = this.stage;
    return value.name === "talking" && isOver(value.log.view.value.status);
  }

  /** The visitor talks in another tab, or did before they left. */
  async join(talk: Talk): Promise<void> {
    const { token, conversation_id } = talk;
    const own = this.memory.read()?.conversation_id;
    if (own === conversation_id || (own && !this.#isOver)) return;
    this.#remember(talk);
    await this.#returnTo(token, conversation_id);
  }

  /** Nothing has been asked after this conversation yet. */
  #remember(talk: Talk): void {
    this.memory.write({ ...talk, is_open: this.isOpen.value, is_answered: false });
  }

  async #returnTo(token: string, conversationId: string): Promise<void> {
    try {
      const [{ messages, last_seq }, { status, operator, position, acknowledged_policy_version }] = await Promise.all([
        api.getHistory(token, conversationId),
        api.getConversation(token, conversationId),
      ]);
      const log = this.#talk(token, conversationId);
      log.announce(last_seq);
      log.receive(messages);
      log.change({ status, operator, position });
      this.#markRead();
      if (status !== "closed") void this.#compareAcknowledged(acknowledged_policy_version);
    } catch (error) {
      if (error instanceof Problem && [401, 403, 404].includes(error.status)) return this.#forgotten();
      this.#talk(token, conversationId);
    }
  }

  #talk(token: string, conversationId: string): ConversationLog {
    this.#hangUp();
    const connection = new Connection({ ...this.connectionOptions, name: `conversation.${conversationId}`, transport: api.visitorTransport(token) });
    const log = connection.follow(conversationId);
    this.#connection = connection;
    this.#seen = 0;
    log.view.subscribe((view) => this.#noticed(view));
    connection.state.subscribe((state) => state === "refused" && void this.#forgotten());
    connection.listen((frame) => frame.type === "rejected" && frame.code === NOT_ACKNOWLEDGED && void this.#askAgain());
    connection.start();
    this.stage.set({ name: "talking", config: this.#config, log, connection });
    return log;
  }

  /** A conversation from before a reload may have been opened under another version. */
  async #compareAcknowledged(version: string): Promise<void> {
    const { policy } = this.#config ?? (await api.getConfig(this.siteKey).catch(() => ({ policy: null })));
    if (policy && version && policy.version !== version) await this.#askAgain();
  }

  /** Shows the notice with the policy as it is now. */
  async #askAgain(): Promise<void> {
    await this.loadConfig();
    if (this.#config) this.isAsking.set(true);
  }

  #noticed({ messages }: ConversationView): void {
    if (this.isOpen.value) return this.#markRead();
    this.unread.set(messages.filter(({ seq, sender }) => seq > this.#seen && sender.kind !== "visitor").length);
  }

  #markRead(): void {
    const { value } = this.stage;
    if (value.name === "talking") this.#seen = value.log.lastSeq;
    this.unread.set(0);
  }

  /** The server does not know this visitor any more. */
  async #forgotten(): Promise<void> {
    const { token } = this;
    this.#hangUp();
    const erasure = token ? await api.getErasure(token).catch(() => null) : null;
    if (erasure) return this.#showErasure(token, erasure);
    this.#forgetUnsent();
    this.memory.forget();
    this.stage.set(this.#config ? { name: "start", config: this.#config } : { name: "loading" });
    if (!this.#config) void this.loadConfig();
  }

  /** The token of somebody under 18 stays in this tab: with it they are known, and nothing is taken down again. */
  #showErasure(token: string, erasure: api.Erasure): void {
    this.#hangUp();
    this.#forgetUnsent();
    if (erasure.reason === "minor") this.memory.write({ conversation_id: null });
    else this.memory.forget();
    this.visitToken = "";
    this.showsOwnData.set(false);
    this.stage.set({ name: "erased", config: this.#config, token, erasure });
  }

  #forgetUnsent(): void {
    forgetUnsent(`conversation.${this.memory.read()?.conversation_id}`);
  }

  #hangUp(): void {
    const connection = this.#connection;
    this.#connection = null;
    this.isAsking.set(false);
    this.unread.set(0);
    connection?.stop();
  }

  #rememberOpenness(): void {
    if (this.memory.read()) this.memory.write({ is_open: this.isOpen.value });
  }

  async #startProblem(error: unknown): Promise<StartProblem> {
    if (!(error instanceof Problem)) return { detail: explain(error), fields: {} };
    if (error.status === 401) this.visitToken = "";
    if (error.code === "minor") {
      const { token } = this;
      this.memory.write({ token });
      this.#showErasure(token, { reason: "minor", status: "running", certificate: "" });
      return { detail: error.detail, fields: {} };
    }
    if (error.code === NOT_ACKNOWLEDGED) {
      await this.loadConfig();
      return { detail: "The privacy policy has changed. Please read the notice again and confirm it.", fields: {} };
    }
    const fields = Object.fromEntries(
      error.errors
        .filter(({ field }) => field.startsWith(ANSWER_PREFIX))
        .map(({ field, detail }) => [field.slice(ANSWER_PREFIX.length), detail]),
    );
    const hasFields = Object.keys(fields).length > 0;
    return { detail: hasFields ? "Please look at the marked fields." : explain(error), fields };
  }
}
