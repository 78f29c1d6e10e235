import { type ConversationFrame, type LastMessage, type MessageFrame, type ServerFrame, isOver, isOvertaken } from "../shared/frames";
import { Observable } from "../shared/observable";
import { Problem, explain } from "../shared/problems";
import type * as api from "./api";
import type { Conversation } from "./api";

export interface InboxView {
  /** Everything that is queued or active. */
  conversations: ReadonlyMap<string, Conversation>;
  /** How many messages of visitors I have not seen, of my own conversations. */
  unread: ReadonlyMap<string, number>;
  isLoaded: boolean;
  problem: string;
  /** More wait than are shown. */
  hasMore: boolean;
}

export type InboxApi = Pick<typeof api, "listConversations" | "getConversation">;

const SOON_MS = 300;
const AT_ONCE = 10;

/** The queue and the running conversations, kept current by what the socket says. */
export class Inbox {
  readonly view = new Observable<InboxView>({ conversations: new Map(), unread: new Map(), isLoaded: false, problem: "", hasMore: false });
  private readonly closed = new Set<string>();
  private readonly wanted = new Set<string>();
  private readonly next: Record<"queued" | "active", string | null> = { queued: null, active: null };
  /** My conversations as the socket listed them: the first pages need not hold all of them. */
  private mine: readonly string[] = [];
  private opened: string | null = null;
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly operatorId: string, private readonly api: InboxApi) {}

  async load(): Promise<void> {
    try {
      const pages = await Promise.all((["queued", "active"] as const).map((status) => this.pageOf(status, null)));
      const listed = pages.flat();
      this.forgetUnlisted(listed);
      for (const conversation of listed) this.merge(conversation);
      for (const conversationId of this.mine) if (!this.view.value.conversations.has(conversationId)) this.want(conversationId);
      this.change({ isLoaded: true, problem: "", hasMore: this.next.queued !== null || this.next.active !== null });
    } catch (error) {
      this.change({ problem: explain(error) });
    }
  }

  async loadMore(): Promise<void> {
    try {
      for (const status of ["queued", "active"] as const) {
        if (this.next[status] === null) continue;
        for (const conversation of await this.pageOf(status, this.next[status])) this.merge(conversation);
      }
      this.change({ problem: "", hasMore: this.next.queued !== null || this.next.active !== null });
    } catch (error) {
      this.change({ problem: explain(error) });
    }
  }

  /** Reads one conversation anew; gives it also when it is closed. */
  async refresh(conversationId: string): Promise<Conversation> {
    const conversation = await this.api.getConversation(conversationId);
    this.merge(conversation);
    return conversation;
  }

  /** The operator has this conversation open: what arrives there is read, for as long as the page is in sight. */
  look(conversationId: string | null): void {
    this.opened = conversationId;
    if (conversationId && !document.hidden) this.setUnread(conversationId, 0);
  }

  isOpened(conversationId: string): boolean {
    return this.opened === conversationId;
  }

  hear(frame: ServerFrame): void {
    if (frame.type === "ready") this.mine = frame.conversations.filter(({ status }) => !isOver(status)).map(({ conversation_id }) => conversation_id);
    if (frame.type === "message") this.heardMessage(frame);
    if (frame.type === "conversation") this.heardState(frame);
  }

  stop(): void {
    clearTimeout(this.timer);
  }

  private async pageOf(status: "queued" | "active", after: string | null): Promise<Conversation[]> {
    const { conversations, next } = await this.api.listConversations(status, after);
    this.next[status] = next;
    return conversations;
  }

  private heardMessage({ conversation_id, seq, sender, text, sent_at }: MessageFrame): void {
    const known = this.view.value.conversations.get(conversation_id);
    if (!known) return this.want(conversation_id);
    if (seq <= known.last_seq) return;
    this.put({ ...known, last_seq: seq, last_message: { seq, sender, text, sent_at } });
    if (sender.kind === "visitor") this.count(known, 1);
  }

  private heardState(frame: ConversationFrame): void {
    const { conversation_id, status, last_seq } = frame;
    const known = this.view.value.conversations.get(conversation_id);
    if (isOver(status)) return this.drop(conversation_id);
    if (!known) return this.meet(frame);
    if (isOvertaken(status, known.status)) return;
    const news = last_seq === undefined ? 0 : last_seq - known.last_seq;
    this.put({
      ...known,
      status,
      operator: frame.operator === undefined ? known.operator : frame.operator,
      position: status === "queued" ? (frame.position ?? known.position) : null,
      accepted_at: frame.accepted_at ?? known.accepted_at,
      last_seq: Math.max(known.last_seq, last_seq ?? 0),
      last_message: newer(frame.last_message, known.last_message),
    });
    if (news > 0 && frame.last_message?.sender.kind === "visitor") this.count(known, news);
  }

  /** A conversation that is new to us: from the frame, if it says enough. */
  private meet(frame: ConversationFrame): void {
    const { conversation_id, opened_at, visitor } = frame;
    if (this.closed.has(conversation_id)) return;
    if (!opened_at || !visitor) return this.want(conversation_id);
    this.put({
      conversation_id,
      opened_at,
      visitor_name: visitor.name,
      site_id: frame.site_id ?? "",
      status: frame.status,
      operator: frame.operator ?? null,
      department: frame.department ?? null,
      accepted_at: frame.accepted_at ?? null,
      closed_at: null,
      last_seq: frame.last_seq ?? 0,
      last_message: frame.last_message ?? null,
      position: frame.position ?? null,
    });
  }

  private count({ conversation_id, operator }: Conversation, news: number): void {
    if (operator?.id !== this.operatorId || (this.isOpened(conversation_id) && !document.hidden)) return;
    this.setUnread(conversation_id, (this.view.value.unread.get(conversation_id) ?? 0) + news);
  }

  /** A conversation we do not know enough of: read soon, a few at a time. */
  private want(conversationId: string): void {
    if (this.closed.has(conversationId)) return;
    this.wanted.add(conversationId);
    this.timer ??= setTimeout(() => void this.fetchWanted(), SOON_MS);
  }

  private async fetchWanted(): Promise<void> {
    const wanted = [...this.wanted].slice(0, AT_ONCE);
    for (const conversationId of wanted) this.wanted.delete(conversationId);
    await Promise.all(wanted.map((conversationId) => this.fetchOne(conversationId)));
    this.timer = this.wanted.size > 0 ? setTimeout(() => void this.fetchWanted(), SOON_MS) : undefined;
  }

  private async fetchOne(conversationId: string): Promise<void> {
    try {
      await this.refresh(conversationId);
    } catch (error) {
      if (error instanceof Problem && error.status === 404) this.drop(conversationId);
      // Anything else comes with the next load.
    }
  }

  private merge(conversation: Conversation): void {
    const { conversation_id, status } = conversation;
    const known = this.view.value.conversations.get(conversation_id);
    if (isOver(status)) return this.drop(conversation_id);
    if (this.closed.has(conversation_id)) return;
    // An answer may be older than what the socket said meanwhile.
    if (known && (isOvertaken(status, known.status) || conversation.last_seq < known.last_seq)) return;
    this.put(conversation);
    // What the list brings first, no frame will count any more.
    const news = known ? conversation.last_seq - known.last_seq : 0;
    if (news > 0 && conversation.last_message?.sender.kind === "visitor") this.count(conversation, news);
  }

  private forgetUnlisted(listed: readonly Conversation[]): void {
    // Only a complete answer says that what is not in it is gone.
    if (this.next.queued !== null || this.next.active !== null) return;
    const ids = new Set(listed.map(({ conversation_id }) => conversation_id));
    for (const conversationId of this.view.value.conversations.keys()) {
      if (!ids.has(conversationId)) this.want(conversationId);
    }
  }

  private put(conversation: Conversation): void {
    const conversations = new Map(this.view.value.conversations);
    conversations.set(conversation.conversation_id, conversation);
    this.change({ conversations });
  }

  private drop(conversationId: string): void {
    this.closed.add(conversationId);
    const conversations = new Map(this.view.value.conversations);
    conversations.delete(conversationId);
    const unread = new Map(this.view.value.unread);
    unread.delete(conversationId);
    this.change({ conversations, unread });
  }

  private setUnread(conversationId: string, count: number): void {
    const unread = new Map(this.view.value.unread);
    if (count === 0) unread.delete(conversationId);
    else unread.set(conversationId, count);
    this.change({ unread });
  }

  private change(part: Partial<InboxView>): void {
    this.view.set({ ...this.view.value, ...part });
  }
}

/** A frame that was overtaken on its way brings an earlier one. */
function newer(heard: LastMessage | undefined, known: LastMessage | null): LastMessage | null {
  return heard && heard.seq >= (known?.seq ?? 0) ? heard : known;
}
