import type { TargetedKeyboardEvent } from "preact";
import { useLayoutEffect, useRef, useState } from "preact/hooks";

import type { ConversationLog } from "../conversation-log";
import { MOST_TEXT } from "../frames";
import { Button } from "./button";
import { valueOf } from "./field";
import { SendIcon } from "./icons";

interface ComposerProps {
  label: string;
  /** Of the conversation: what is being typed there outlives this field. */
  log: ConversationLog;
  onSend: (text: string) => void;
  isFocused?: boolean;
}

/** Enter sends, Shift+Enter starts a new line. */
export function Composer({ label, log, onSend, isFocused = false }: ComposerProps) {
  const [text, setText] = useState(log.draft);
  const input = useRef<HTMLTextAreaElement>(null);
  useLayoutEffect(() => {
    if (isFocused) input.current?.focus();
  }, [isFocused]);
  useLayoutEffect(() => {
    const fit = () => fitToContent(input.current);
    fit();
    addEventListener("resize", fit);
    return () => removeEventListener("resize", fit);
  }, [text]);

  const write = (written: string) => setText((log.draft = written));
  const send = () => {
    if (!text.trim()) return;
    onSend(text.trim());
    write("");
    input.current?.focus();
  };
  const onKeyDown = (event: TargetedKeyboardEvent<HTMLTextAreaElement>) => {
    // Of an Enter that chooses a word of an input method, only the deprecated code tells in every browser: it is 229 then.
    if (event.keyCode !== 13 || event.shiftKey) return;
    event.preventDefault();
    send();
  };
  return (
    <form
      class="composer"
      onSubmit={(event) => {
        event.preventDefault();
        send();
      }}
    >
      <textarea
        ref={input}
        class="input"
        rows={1}
        data-testid="composer"
        aria-label={label}
        placeholder={label}
        maxLength={MOST_TEXT}
        enterkeyhint="send"
        value={text}
        onInput={(event) => write(valueOf(event))}
        onKeyDown={onKeyDown}
      />
      <Button type="submit" look="icon" data-testid="send" aria-label="Send" isBusy={!text.trim()}>
        <SendIcon />
      </Button>
    </form>
  );
}

function fitToContent(input: HTMLTextAreaElement | null): void {
  if (!input) return;
  input.style.height = "auto";
  input.style.height = `${input.scrollHeight + 2}px`;
}
