import { useLayoutEffect, useRef } from "preact/hooks";

import { useObservable } from "../shared/observable";
import { ChatIcon } from "../shared/ui/icons";
import type { Chat } from "./chat";

interface LauncherProps {
  chat: Chat;
  takesFocus: boolean;
  onOpen: () => void;
}

export function Launcher({ chat, takesFocus, onOpen }: LauncherProps) {
  const unread = useObservable(chat.unread);
  const button = useRef<HTMLButtonElement>(null);
  useLayoutEffect(() => {
    if (takesFocus) button.current?.focus();
  }, []);
  const news = unread === 0 ? "" : unread === 1 ? ", 1 new message" : `, ${unread} new messages`;
  return (
    <>
      <button ref={button} type="button" class="launcher" data-testid="launcher" aria-label={`Open chat${news}`} aria-expanded="false" onClick={onOpen}>
        <ChatIcon />
        {unread > 0 && (
          <span class="badge" aria-hidden="true">
            {unread > 9 ? "9+" : unread}
          </span>
        )}
      </button>
      <p class="visually-hidden" role="status">
        {news && `Chat${news}`}
      </p>
    </>
  );
}
