import { useEffect, useRef, useState } from "preact/hooks";

import { Confirm } from "../shared/ui/confirm";
import { LEAVING, type Leaving } from "./route";

/** Asks before another page is shown, and has the browser ask before this one is closed: what is on it is saved nowhere yet. */
export function AskBeforeLeaving() {
  const [wanted, setWanted] = useState("");
  const isAllowed = useRef(false);
  useEffect(() => {
    const keep = (event: Event) => event.preventDefault();
    const ask = (event: Leaving) => {
      if (!isAllowed.current) event.preventDefault();
      setWanted(isAllowed.current ? "" : event.detail);
      isAllowed.current = false;
    };
    addEventListener("beforeunload", keep);
    addEventListener(LEAVING, ask);
    return () => {
      removeEventListener("beforeunload", keep);
      removeEventListener(LEAVING, ask);
    };
  }, []);
  if (!wanted) return null;
  return (
    <Confirm
      title="Leave without saving?"
      detail="What you changed here is neither published nor saved as a draft."
      yes="Leave"
      no="Stay"
      testId="leave-confirm"
      onYes={() => {
        isAllowed.current = true;
        location.assign(wanted);
      }}
      onNo={() => setWanted("")}
    />
  );
}
