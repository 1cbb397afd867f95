// What a Script activity of Deskhand finds. Print it with `deskhand workflow script-types`; an
// editor that reads it completes and checks scripts. Lengths of time are written "90s", "10m",
// "1h30m" or "2d".

/** How an activity ended. */
interface Ended {
  /** `ok`, `error`, `no_file`, `timeout`, `interrupted` or `exit 3`. */
  event: string;
  /** What the activity put out: `stdout` and `exit_code` of a command, `files` of a copy. */
  outputs: Record<string, string>;
  /** Why, where there is something to say. */
  note: string | null;
}

/** Thrown when an activity ends with another event than `ok`, unless it is called unchecked. */
declare class ActivityError extends Error {
  readonly activity: string;
  readonly event: string;
  readonly outputs: Record<string, string>;
  readonly note: string | null;
}

interface CallOptions {
  /** With `false` no event is thrown; look at the `event` of what comes back. */
  check?: boolean;
}

declare const context: {
  /** What templates call by that name: `computer.name`, `activities.setup.stdout`, a variable. */
  get(name: string): string;
  get<T>(name: string, otherwise: T): string | T;
  has(name: string): boolean;
  /** Sets a variable of the run: later activities see it once the script has ended. */
  set(name: string, value: string | number | boolean): void;
};

declare const agent: { readonly present: boolean; readonly version: string };

/** What is known of this machine now: `os`, `host_name`, `cpu_count` and others. */
declare function facts(): Record<string, string>;

/** Writes a line into the deployment's log, at once. */
declare function print(...what: unknown[]): void;
declare const console: { log(...what: unknown[]): void };

/** Goes on after a length of time, or after so many milliseconds. */
declare function sleep(time: string | number): Promise<null>;

/** Asks Windows Management Instrumentation in WQL, in `ROOT\CIMV2`. On Windows alone. */
declare function wmi(query: string): Promise<Record<string, any>[]>;

/** Files of the depot as they were when the deployment was made: what `depot` of the activity names. */
declare const depot: {
  text(path: string): Promise<string>;
  json(path: string): Promise<any>;
};

/** Ends the script with an event, as `return` does, from wherever it is called. */
declare function exit(event?: string, result?: unknown): never;
