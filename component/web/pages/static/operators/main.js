// What scripts add to the operators' pages. Every page works without them.

import { keepHits } from "./hits.js";
import { showLocalTimes } from "./times.js";

showLocalTimes(document);
keepHits(document);
