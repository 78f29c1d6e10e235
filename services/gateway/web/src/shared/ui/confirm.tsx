import { useLayoutEffect, useRef } from "preact/hooks";

import { Button } from "./button";

interface ConfirmProps {
  title: string;
  detail: string;
  yes: string;
  no: string;
  testId?: string;
  onYes: () => void;
  onNo: () => void;
}

/** Asks before something final. The browser keeps focus inside, and Escape means no. */
export function Confirm({ title, detail, yes, no, testId = "close-confirm", onYes, onNo }: ConfirmProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  useLayoutEffect(() => {
    const element = dialog.current;
    element?.showModal();
    // Closing, rather than only disappearing, gives focus back to where it was.
    return () => element?.close();
  }, []);
  return (
    <dialog
      class="confirm"
      ref={dialog}
      aria-labelledby="confirm-title"
      onCancel={(event) => {
        event.preventDefault();
        onNo();
      }}
      onKeyDown={(event) => event.stopPropagation()}
    >
      <h2 id="confirm-title">{title}</h2>
      <p>{detail}</p>
      <div class="actions">
        <Button look="quiet" onClick={onNo}>
          {no}
        </Button>
        <Button look="danger" data-testid={testId} onClick={onYes}>
          {yes}
        </Button>
      </div>
    </dialog>
  );
}
