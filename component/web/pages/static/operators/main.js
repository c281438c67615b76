// What scripts add to the operators' pages. Every page works without them.

import { listenToKeys } from "./hits.js";
import { showLocalTimes } from "./times.js";

showLocalTimes(document);
listenToKeys(document);
