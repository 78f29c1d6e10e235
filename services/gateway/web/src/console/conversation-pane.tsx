import type { ComponentChildren } from "preact";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";

import type { ConversationLog } from "../shared/conversation-log";
import { isOver } from "../shared/frames";
import { isUp } from "../shared/line";
import { useObservable } from "../shared/observable";
import { Problem, explain } from "../shared/problems";
import { Button } from "../shared/ui/button";
import { Composer } from "../shared/ui/composer";
import { Confirm } from "../shared/ui/confirm";
import { BackIcon } from "../shared/ui/icons";
import { MessageList } from "../shared/ui/message-list";
import { Refused } from "../shared/ui/refused";
import { Moment } from "../shared/ui/times";
import * as api from "./api";
import type { Desk } from "./desk";
import { FlagMinor } from "./flag-minor";
import { hrefOf } from "./route";
import { Trail } from "./trail";

interface PaneProps {
  desk: Desk;
  conversationId: string;
}

export function ConversationPane({ desk, conversationId }: PaneProps) {
  const { conversation, problem, load } = useConversation(desk, conversationId);
  if (!conversation) {
    return (
      <section class="pane empty">
        <Back />
        {problem ? <Refused problem={problem} onRetry={load} /> : <p class="loading">Loading the conversation…</p>}
      </section>
    );
  }
  return <Opened desk={desk} conversation={conversation} />;
}

function Opened({ desk, conversation }: { desk: Desk; conversation: api.Conversation }) {
  const { conversation_id } = conversation;
  const { connection, operator: me } = desk;
  const log = useMemo(() => connection.follow(conversation_id, conversation.status), []);
  const { messages, outgoing, status: heard } = useObservable(log.view);
  const line = useObservable(connection.state);
  const status = isOver(heard) ? heard : conversation.status;
  const isMine = status === "active" && conversation.operator?.id === me.operator_id;
  // My own conversations stay complete while I look elsewhere; others only while they are on the screen.
  const isKept = useRef(isMine);
  isKept.current = isMine;
  useEffect(() => () => void (isKept.current || connection.unfollow(conversation_id)), []);

  // Neither the words nor the name, the address or the pages of whoever wrote them stay.
  if (status === "erased") return <Erased />;
  return (
    <section class="pane" aria-labelledby="pane-title">
      <div class="pane-main">
        <PaneHead desk={desk} conversation={{ ...conversation, status }} isMine={isMine} />
        <MessageList
          messages={messages}
          outgoing={outgoing}
          own={{ kind: "operator", id: me.operator_id }}
          nameOf={({ name, kind }) => name || (kind === "visitor" ? conversation.visitor_name || "Visitor" : "Colleague")}
          onRetry={(clientId) => connection.retry(conversation_id, clientId)}
          isUp={isUp(line)}
          empty={conversation.last_seq > 0 ? "Loading…" : "Nothing has been said yet."}
        />
        <PaneFoot status={status} isMine={isMine} conversation={conversation} log={log} onSend={(text) => connection.send(conversation_id, text)} />
      </div>
      <VisitorDetails conversation={{ ...conversation, status }} />
    </section>
  );
}

function Erased() {
  return (
    <section class="pane empty">
      <Back />
      <p role="status">This conversation was erased.</p>
    </section>
  );
}

function Back() {
  return (
    <a class="button bare icon back" href={hrefOf.inbox} aria-label="Back to the lists">
      <BackIcon />
    </a>
  );
}

function PaneHead({ desk, conversation, isMine }: { desk: Desk; conversation: api.Conversation; isMine: boolean }) {
  const { conversation_id, status, visitor_name } = conversation;
  const [isClosing, setClosing] = useState(false);
  const { act, isBusy, problem } = useAction(desk, conversation_id);
  return (
    <>
      <header class="pane-head">
        <Back />
        <h2 id="pane-title">{visitor_name || "Visitor"}</h2>
        {status === "queued" && api.isSpeaker(desk.operator) && (
          <Button look="small" data-testid="accept" isBusy={isBusy} onClick={() => act(() => api.accept(conversation_id))}>
            {isBusy ? "Accepting…" : "Accept"}
          </Button>
        )}
        {isMine && (
          <Button look="quiet small" data-testid="close" isBusy={isBusy} onClick={() => setClosing(true)}>
            Close conversation
          </Button>
        )}
        {api.isSpeaker(desk.operator) && <FlagMinor isBusy={isBusy} onFlag={() => act(() => api.flagMinor(conversation_id))} />}
      </header>
      {problem && (
        <p class="note problem" role="alert">
          {problem}
        </p>
      )}
      {isClosing && (
        <Confirm
          title="Close this conversation?"
          detail="Nothing more can be written in it. Its transcript is sealed and kept."
          yes="Close it"
          no="Keep it open"
          onYes={() => {
            setClosing(false);
            void act(() => api.close(conversation_id));
          }}
          onNo={() => setClosing(false)}
        />
      )}
    </>
  );
}

interface PaneFootProps {
  status: api.Conversation["status"];
  isMine: boolean;
  conversation: api.Conversation;
  log: ConversationLog;
  onSend: (text: string) => void;
}

function PaneFoot({ status, isMine, conversation, log, onSend }: PaneFootProps) {
  if (isMine) return <Composer label="Write an answer" log={log} onSend={onSend} isFocused />;
  if (status === "queued") return <Foot>Nobody has accepted this conversation yet.</Foot>;
  if (status === "active") return <Foot>{conversation.operator?.name || "A colleague"} is answering. Only the two of them can write here.</Foot>;
  return (
    <Foot>
      <span data-testid="ended">This conversation has ended.</span> <a href={hrefOf.transcript(conversation.conversation_id)}>Open its transcript</a>
    </Foot>
  );
}

function Foot({ children }: { children: ComponentChildren }) {
  return (
    <p class="pane-foot" role="status">
      {children}
    </p>
  );
}

const STATUS_WORDS: Record<api.Conversation["status"], string> = { queued: "Waiting", active: "Active", closed: "Ended", erased: "Erased" };

function VisitorDetails({ conversation }: { conversation: api.Conversation }) {
  const { visitor_name, status, operator, department, opened_at, accepted_at } = conversation;
  const { captured, trail } = useVisit(conversation);
  return (
    <aside class="details" aria-label="About this conversation">
      <h3>Visitor</h3>
      <dl>
        <Detail label="Name">{visitor_name || "Not given"}</Detail>
        {department && <Detail label="Department">{department}</Detail>}
        {captured.ip && <Detail label="IP address">{captured.ip}</Detail>}
        {captured.language && <Detail label="Language">{captured.language}</Detail>}
      </dl>
      <Trail pages={trail} />
      <h3>Conversation</h3>
      <dl>
        <Detail label="State">{STATUS_WORDS[status]}</Detail>
        <Detail label="Opened">
          <Moment at={opened_at} />
        </Detail>
        {accepted_at && (
          <Detail label="Accepted">
            <Moment at={accepted_at} />
          </Detail>
        )}
        {operator && <Detail label="Operator">{operator.name}</Detail>}
      </dl>
    </aside>
  );
}

const LOOK_AGAIN_MS = 10_000;
const NOTHING: { captured: api.Captured; trail: api.TrailPage[] } = { captured: {}, trail: [] };

/** What is known of the visitor, looked at again and again while they are here. */
function useVisit({ conversation_id, status }: api.Conversation) {
  const [visit, setVisit] = useState(NOTHING);
  useEffect(() => {
    if (isOver(status)) return;
    let isShown = true;
    const look = () => api.getVisit(conversation_id).then((found) => isShown && setVisit(found), () => undefined);
    void look();
    const timer = setInterval(() => void look(), LOOK_AGAIN_MS);
    return () => {
      isShown = false;
      clearInterval(timer);
    };
  }, [conversation_id, status]);
  return visit;
}

export function Detail({ label, children }: { label: string; children: ComponentChildren }) {
  return (
    <div class="detail">
      <dt>{label}</dt>
      <dd>{children}</dd>
    </div>
  );
}

/** The conversation as the inbox knows it, or as the server does when it is none of the open ones. */
function useConversation(desk: Desk, conversationId: string) {
  const { conversations } = useObservable(desk.inbox.view);
  const open = conversations.get(conversationId);
  const [last, setLast] = useState<api.Conversation | null>(open ?? null);
  const [problem, setProblem] = useState("");
  const [attempts, setAttempts] = useState(0);
  useEffect(() => {
    if (open) return setLast(open);
    let isShown = true;
    setProblem("");
    desk.inbox.refresh(conversationId).then(
      (conversation) => isShown && setLast(conversation),
      (error) => isShown && setProblem(explainMissing(error)),
    );
    return () => {
      isShown = false;
    };
  }, [open, attempts]);
  return { conversation: open ?? last, problem, load: () => setAttempts(attempts + 1) };
}

/** Runs one call of the operator's, then looks how the conversation stands, whatever came of it. */
function useAction(desk: Desk, conversationId: string) {
  const [isBusy, setBusy] = useState(false);
  const [problem, setProblem] = useState("");
  const act = async (action: () => Promise<unknown>) => {
    setBusy(true);
    setProblem("");
    try {
      await action();
    } catch (error) {
      setProblem(explain(error));
    }
    await desk.inbox.refresh(conversationId).catch(() => undefined);
    setBusy(false);
  };
  return { act, isBusy, problem };
}

function explainMissing(error: unknown): string {
  return error instanceof Problem && error.status === 404 ? "There is no such conversation." : explain(error);
}
