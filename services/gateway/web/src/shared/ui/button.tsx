import type { ButtonHTMLAttributes, ComponentChildren, MouseEventHandler } from "preact";

interface ButtonProps extends Omit<ButtonHTMLAttributes<HTMLButtonElement>, "disabled" | "icon"> {
  look?: string;
  /** Under way or not possible: stays focusable, so that the keyboard does not lose its place. */
  isBusy?: boolean;
  children: ComponentChildren;
}

export function Button({ look = "", isBusy = false, type = "button", onClick, children, ...rest }: ButtonProps) {
  const press: MouseEventHandler<HTMLButtonElement> = (event) => {
    if (isBusy) return event.preventDefault();
    if (typeof onClick === "function") onClick(event);
  };
  return (
    <button {...rest} type={type} class={`button ${look}`} aria-disabled={isBusy} onClick={press}>
      {children}
    </button>
  );
}
