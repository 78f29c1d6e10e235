import { useLayoutEffect, useRef, useState } from "preact/hooks";

import { explain } from "../problems";
import { Button } from "./button";
import { Field, valueOf } from "./field";

interface SignInProps<Person> {
  title?: string;
  why: string;
  signIn: (email: string, password: string, remember: boolean) => Promise<Person>;
  /** For how many days one may ask to stay signed in, if one may. */
  rememberedDays?: number;
  onSignedIn: (person: Person) => void;
}

export function SignIn<Person>({ title = "Sign in", why, signIn, rememberedDays, onSignedIn }: SignInProps<Person>) {
  const [email, setEmail] = useState("");
  const [password, setPassword] = useState("");
  const [remember, setRemember] = useState(false);
  const [problem, setProblem] = useState("");
  const [isBusy, setBusy] = useState(false);
  const first = useRef<HTMLInputElement>(null);
  useLayoutEffect(() => {
    document.title = `${title} · Velaro`;
    first.current?.focus();
  }, []);

  const send = async () => {
    setBusy(true);
    setProblem("");
    try {
      onSignedIn(await signIn(email.trim(), password, remember));
    } catch (error) {
      setProblem(explain(error));
      setBusy(false);
    }
  };
  return (
    <main class="whole-page">
      <form
        class="sign-in"
        aria-labelledby="sign-in-title"
        onSubmit={(event) => {
          event.preventDefault();
          if (!isBusy) void send();
        }}
      >
        <p class="brand">Velaro</p>
        <h1 id="sign-in-title">{title}</h1>
        {why && !problem && (
          <p class="note" role="status">
            {why}
          </p>
        )}
        <Field id="email" label="E-mail">
          {(attributes) => (
            <input
              {...attributes}
              ref={first}
              class="input"
              type="email"
              autocomplete="username"
              required
              data-testid="email"
              value={email}
              onInput={(event) => setEmail(valueOf(event))}
            />
          )}
        </Field>
        <Field id="password" label="Password">
          {(attributes) => (
            <input
              {...attributes}
              class="input"
              type="password"
              autocomplete="current-password"
              required
              data-testid="password"
              value={password}
              onInput={(event) => setPassword(valueOf(event))}
            />
          )}
        </Field>
        {rememberedDays && (
          <div class="field">
            <label class="check">
              <input
                type="checkbox"
                data-testid="remember"
                checked={remember}
                aria-describedby="remember-detail"
                onChange={(event) => setRemember(event.currentTarget.checked)}
              />
              <span>Keep me signed in for {rememberedDays} days</span>
            </label>
            <p class="hint" id="remember-detail">
              To sign you in, we set one cookie. Without this, it ends with the browser; with this, it stays. Only on a device that is yours alone.{" "}
              <a href="/privacy/cookies">More about it</a>
            </p>
          </div>
        )}
        <p role="alert" class={problem ? "note problem" : "visually-hidden"} data-testid="sign-in-problem">
          {problem}
        </p>
        <Button type="submit" look="wide" data-testid="sign-in" isBusy={isBusy}>
          {isBusy ? "Signing in…" : "Sign in"}
        </Button>
      </form>
    </main>
  );
}
