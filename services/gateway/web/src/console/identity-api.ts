import { call } from "../shared/http";
import { upload } from "../shared/upload";

export type Action = "view-billing" | "change-contact" | "change-billing" | "transfer-ownership" | "relax-identity";
export type Strictness = "high-risk" | "by-risk" | "always";

export interface Verification {
  verification_id: string;
  action: Action;
  state: "waiting" | "approved" | "refused" | "expired" | "broken";
  uploaded_at: string;
  decided_at: string | null;
  reason: string;
  granted_until: string | null;
  receipt: { looked_at: string } | null;
}

export interface Identity {
  strictness: Strictness;
  verifications: Verification[];
}

export const getIdentity = () => call<Identity>("/api/v1/identity");

export const showDocument = (action: Action, file: Blob) => upload<Verification>(`/api/v1/identity/verifications?action=${action}`, file);

export const setStrictness = (strictness: Strictness) =>
  call<{ strictness: Strictness }>("/api/v1/identity/strictness", { method: "PUT", body: { strictness } });

export const transferOwnership = (email: string) => call<unknown>("/api/v1/ownership", { method: "POST", body: { email } });
