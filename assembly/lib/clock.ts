/** The host's clock: milliseconds since a moment that does not change, with a fraction. */
export declare function now(): f64;
