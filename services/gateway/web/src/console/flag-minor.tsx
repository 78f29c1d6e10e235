import { useState } from "preact/hooks";

import { Button } from "../shared/ui/button";
import { Confirm } from "../shared/ui/confirm";

/** For an operator who finds that a visitor is under 18. It cannot be undone, so it asks. */
export function FlagMinor({ isBusy, onFlag }: { isBusy: boolean; onFlag: () => void }) {
  const [isAsking, setAsking] = useState(false);
  return (
    <>
      <Button look="quiet small" data-testid="flag-minor" isBusy={isBusy} onClick={() => setAsking(true)}>
        Under 18
      </Button>
      {isAsking && (
        <Confirm
          title="Is this visitor under 18?"
          detail="The conversation ends, and everything there is of this visitor is erased: words, answers, what their browser told, in all conversations. It cannot be undone. Only a count remains."
          yes="Yes, erase everything"
          no="No"
          testId="flag-minor-confirm"
          onYes={() => {
            setAsking(false);
            onFlag();
          }}
          onNo={() => setAsking(false)}
        />
      )}
    </>
  );
}
