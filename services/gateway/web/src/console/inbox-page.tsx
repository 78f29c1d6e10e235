import { useLayoutEffect } from "preact/hooks";

import { useObservable } from "../shared/observable";
import { Button } from "../shared/ui/button";
import { Moment } from "../shared/ui/times";
import type { Conversation } from "./api";
import { ConversationPane } from "./conversation-pane";
import type { Desk } from "./desk";
import { hrefOf } from "./route";

export function InboxPage({ desk, conversationId }: { desk: Desk; conversationId: string | null }) {
  // Before anything more is heard: what has ended and is not opened is let go.
  useLayoutEffect(() => {
    const look = () => desk.inbox.look(conversationId);
    look();
    document.addEventListener("visibilitychange", look);
    return () => {
      document.removeEventListener("visibilitychange", look);
      desk.inbox.look(null);
    };
  }, [conversationId]);
  return (
    <main class={`inbox ${conversationId ? "has-open" : ""}`}>
      <Lists desk={desk} openId={conversationId} />
      {conversationId ? (
        <ConversationPane key={conversationId} desk={desk} conversationId={conversationId} />
      ) : (
        <section class="pane empty">
          <p>Choose a conversation to read it here.</p>
        </section>
      )}
    </main>
  );
}

function Lists({ desk, openId }: { desk: Desk; openId: string | null }) {
  const { conversations, unread, isLoaded, problem, hasMore } = useObservable(desk.inbox.view);
  const all = [...conversations.values()];
  const mine = all.filter(({ status, operator }) => status === "active" && operator?.id === desk.operator.operator_id);
  const queued = all.filter(({ status }) => status === "queued");
  const others = all.filter(({ status, operator }) => status === "active" && operator?.id !== desk.operator.operator_id);
  const shared = { openId, unread };
  return (
    <div class="lists">
      <h1 class="visually-hidden">Inbox</h1>
      {problem && (
        <p class="note problem" role="alert">
          {problem}
        </p>
      )}
      {!isLoaded && !problem && <p class="loading">Loading conversations…</p>}
      {isLoaded && (
        <>
          <List {...shared} title="Waiting" testId="queue-item" items={queued.sort(byOpening)} empty="Nobody is waiting." />
          <List {...shared} title="Mine" testId="my-conversation" items={mine.sort(byNews)} empty="You are not in a conversation." />
          {others.length > 0 && <List {...shared} title="With colleagues" testId="others-conversation" items={others.sort(byNews)} empty="" />}
        </>
      )}
      {hasMore && (
        <Button look="quiet small" onClick={() => desk.inbox.loadMore()}>
          Show more
        </Button>
      )}
    </div>
  );
}

interface ListProps {
  title: string;
  testId: string;
  items: readonly Conversation[];
  empty: string;
  openId: string | null;
  unread: ReadonlyMap<string, number>;
}

function List({ title, testId, items, empty, openId, unread }: ListProps) {
  const id = `list-${testId}`;
  return (
    <section aria-labelledby={id}>
      <h2 id={id}>
        {title} <span class="list-count">{items.length || ""}</span>
      </h2>
      {items.length === 0 && <p class="list-empty">{empty}</p>}
      <ul>
        {items.map((item) => (
          <li key={item.conversation_id}>
            <Item item={item} testId={testId} isOpen={item.conversation_id === openId} unread={unread.get(item.conversation_id) ?? 0} />
          </li>
        ))}
      </ul>
    </section>
  );
}

interface ItemProps {
  item: Conversation;
  testId: string;
  isOpen: boolean;
  unread: number;
}

function Item({ item, testId, isOpen, unread }: ItemProps) {
  const { conversation_id, visitor_name, opened_at, operator, last_message, status } = item;
  return (
    <a
      class="item"
      href={hrefOf.conversation(conversation_id)}
      data-testid={testId}
      data-conversation-id={conversation_id}
      {...(isOpen && { "aria-current": "true" as const })}
    >
      <span class="item-head">
        <span class="item-name">{visitor_name || "Visitor"}</span>
        {unread > 0 && (
          <span class="count" data-testid="unread">
            {unread}
            <span class="visually-hidden"> unread</span>
          </span>
        )}
        <span class="item-time">
          <Moment at={last_message?.sent_at ?? opened_at} />
        </span>
      </span>
      <span class="item-line">{last_message?.text || (status === "queued" ? "Has not written yet" : operator?.name || "No messages yet")}</span>
    </a>
  );
}

function byOpening(one: Conversation, other: Conversation): number {
  return one.opened_at.localeCompare(other.opened_at);
}

function byNews(one: Conversation, other: Conversation): number {
  return (other.last_message?.sent_at ?? other.opened_at).localeCompare(one.last_message?.sent_at ?? one.opened_at);
}
