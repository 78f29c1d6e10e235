import type { ComponentChildren } from "preact";
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";

import { useObservable } from "../shared/observable";
import { applyAccent } from "../shared/ui/accent";
import { Button } from "../shared/ui/button";
import { MinimiseIcon } from "../shared/ui/icons";
import type { Chat, Stage } from "./chat";
import { Conversation, Standing } from "./conversation";
import { Launcher } from "./launcher";
import { Loading, OnDemand, Unavailable } from "./on-demand";
import { Start } from "./start";

const ownData = () => import("./own-data").then(({ OwnData }) => OwnData);

export function App({ chat }: { chat: Chat }) {
  const isOpen = useObservable(chat.isOpen);
  const stage = useObservable(chat.stage);
  const hasToggled = useRef(false);
  const config = "config" in stage ? stage.config : null;
  const greeter = useObservable(chat.greeter);
  useLayoutEffect(() => applyAccent(config?.theme.color), [config]);

  const toggle = () => {
    hasToggled.current = true;
    if (isOpen) chat.minimise();
    else chat.open();
  };
  // Until the customer's colour is known, nothing is better than a launcher that changes colour.
  if (!isOpen && stage.name === "loading") return null;
  // Focus follows the visitor's own click or key, and never the page load.
  return isOpen ? (
    <Panel chat={chat} stage={stage} takesFocus={hasToggled.current} onMinimise={toggle}>
      {greeter && <greeter.Question />}
    </Panel>
  ) : (
    <>
      {greeter && <greeter.Invitation onOpen={toggle} />}
      <Launcher chat={chat} takesFocus={hasToggled.current} onOpen={toggle} />
    </>
  );
}

interface PanelProps {
  chat: Chat;
  stage: Stage;
  takesFocus: boolean;
  onMinimise: () => void;
  children: ComponentChildren;
}

function Panel({ chat, stage, takesFocus, onMinimise, children }: PanelProps) {
  const title = useRef<HTMLHeadingElement>(null);
  useLayoutEffect(() => {
    if (takesFocus) title.current?.focus();
  }, []);
  useEffect(() => {
    // Escape by its code, which is another while it ends a composition.
    const onKeyDown = (event: KeyboardEvent) => event.keyCode === 27 && onMinimise();
    document.addEventListener("keydown", onKeyDown);
    return () => document.removeEventListener("keydown", onKeyDown);
  });
  const name = ("config" in stage && stage.config?.site.name) || "Live support";
  return (
    <main class="panel" aria-labelledby="title" data-testid="panel">
      <header class="panel-head">
        <div class="panel-title">
          <h1 id="title" ref={title} tabIndex={-1}>
            {name}
          </h1>
          {stage.name === "talking" && <Standing log={stage.log} />}
        </div>
        <Button look="bare icon" data-testid="minimise" aria-label="Minimise chat" onClick={onMinimise}>
          <MinimiseIcon />
        </Button>
      </header>
      {children}
      <Body chat={chat} stage={stage} />
    </main>
  );
}

function Body({ chat, stage }: { chat: Chat; stage: Stage }) {
  const showsOwnData = useObservable(chat.showsOwnData);
  if (stage.name === "erased" || (showsOwnData && chat.token)) return <OnDemand load={ownData} chat={chat} stage={stage} />;
  switch (stage.name) {
    case "loading":
      return <Loading />;
    case "unavailable":
      return <Unavailable detail={stage.detail} onRetry={() => chat.loadConfig()} />;
    case "start":
      return <Start chat={chat} config={stage.config} />;
    case "talking":
      return <Conversation key={stage.log.conversationId} chat={chat} config={stage.config} log={stage.log} connection={stage.connection} />;
  }
}
