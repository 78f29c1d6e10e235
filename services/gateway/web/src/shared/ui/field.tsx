import type { ComponentChildren, TargetedEvent } from "preact";

interface FieldProps {
  id: string;
  label: string;
  isOptional?: boolean;
  error?: string | undefined;
  children: (attributes: { id: string; "aria-invalid": boolean; "aria-describedby"?: string }) => ComponentChildren;
}

/** A label, its control and what is wrong with it, tied together for assistive technology. */
export function Field({ id, label, isOptional = false, error, children }: FieldProps) {
  return (
    <div class="field">
      <label for={id}>
        {label} {isOptional && <span class="optional">(optional)</span>}
      </label>
      {children({ id, "aria-invalid": Boolean(error), ...(error && { "aria-describedby": `${id}-error` }) })}
      <FieldProblem id={id} error={error} />
    </div>
  );
}

export function FieldProblem({ id, error }: { id: string; error?: string | undefined }) {
  return error ? (
    <p class="error" id={`${id}-error`}>
      {error}
    </p>
  ) : null;
}

export function valueOf(event: TargetedEvent<HTMLInputElement | HTMLTextAreaElement | HTMLSelectElement>): string {
  return event.currentTarget.value;
}
