import type { ComponentType } from "preact";

import type { Role, Staff } from "./api";
import { DisclosuresPage } from "./disclosures-page";
import { IdentityPage } from "./identity-page";
import { InquiriesPage } from "./inquiries-page";
import { PolicyPage } from "./policy-page";
import { ServicePage } from "./service-page";

export interface StaffPage {
  /** What the address bar calls it, behind the `#/`. */
  path: string;
  title: string;
  /** Who finds it in the navigation; what anybody may do there, the server decides. */
  roles: readonly Role[];
  Page: ComponentType<{ staff: Staff }>;
}

const EVERYBODY: readonly Role[] = ["support", "reviewer", "legal", "admin"];

/** The pages of the staff desk; a new one is a line here. */
export const PAGES: readonly StaffPage[] = [
  { path: "policy", title: "Privacy policy", roles: EVERYBODY, Page: PolicyPage },
  { path: "identity", title: "Identity", roles: ["reviewer"], Page: IdentityPage },
  { path: "disclosures", title: "Disclosures", roles: ["legal", "admin"], Page: DisclosuresPage },
  { path: "inquiries", title: "Inquiries", roles: ["support", "legal"], Page: InquiriesPage },
  { path: "service", title: "Our service", roles: EVERYBODY, Page: ServicePage },
];
