// What a script finds: functions that ask the agent, made of the few that the worker has.
((host, activities) => {
  const { parse, stringify } = JSON;
  const pending = new Map();
  let asked = 0;

  class ActivityError extends Error {
    constructor(activity, { event, outputs, note }, stack) {
      super(`\`${activity}\` ended with \`${event}\`${note ? `: ${note}` : ""}`);
      Object.assign(this, { activity, event, outputs, note });
      this.stack = stack;
    }
    get name() {
      return "ActivityError";
    }
  }

  // `where` remembers who asked: an answer comes when nothing of the script is on the stack.
  const ask = (call, where, settle) =>
    new Promise((resolve, reject) => {
      const id = ++asked;
      host.call(id, stringify(call));
      pending.set(id, (answer) => {
        if ("Failed" in answer) {
          const error = new Error(answer.Failed);
          error.stack = where.stack;
          reject(error);
        } else {
          settle(answer, resolve, reject);
        }
      });
    });
  const value = (answer, resolve) => resolve(parse(answer.Value));

  const activity = (kind) => {
    const name = kind;
    const call = {
      [name](parameters = {}, options = {}) {
        const where = new Error();
        if (parameters === null || typeof parameters !== "object") {
          throw new TypeError(`${kind} takes an object of parameters: ${kind}({ … })`);
        }
        const what = { Activity: { kind, parameters: stringify(parameters) ?? "{}" } };
        return ask(what, where, ({ Ended }, resolve, reject) => {
          if (Ended.event === "ok" || options?.check === false) {
            resolve(Ended);
          } else {
            reject(new ActivityError(kind, Ended, where.stack));
          }
        });
      },
    };
    return call[name];
  };

  const text = (what, whose) => {
    if (typeof what !== "string") throw new TypeError(`${whose} takes a text`);
    return what;
  };

  const shown = (what) => {
    if (typeof what === "string") return what;
    if (what instanceof Error) return `${what}\n${what.stack ?? ""}`.trimEnd();
    if (what !== null && typeof what === "object") {
      try {
        return stringify(what) ?? String(what);
      } catch {
        return String(what);
      }
    }
    return String(what);
  };

  const print = (...all) => host.print(`${all.map(shown).join(" ")}\n`);

  const own = {
    print,
    console: Object.freeze({ log: print }),
    sleep(duration) {
      const span = typeof duration === "number" ? `${Math.round(duration)}ms` : duration;
      return ask({ Sleep: text(span, "sleep") }, new Error(), value);
    },
    wmi(query) {
      return ask({ Wmi: text(query, "wmi") }, new Error(), value);
    },
    depot: Object.freeze({
      text(path) {
        return ask({ Depot: text(path, "depot.text") }, new Error(), value);
      },
      json(path) {
        const where = new Error();
        return ask({ Depot: text(path, "depot.json") }, where, (answer, resolve, reject) => {
          try {
            resolve(parse(parse(answer.Value)));
          } catch (cause) {
            const error = new Error(`${path} in the depot is no JSON: ${cause.message}`);
            error.stack = where.stack;
            reject(error);
          }
        });
      },
    }),
    context: Object.freeze({
      get(name, otherwise) {
        const found = host.get(text(name, "context.get"));
        if (found !== undefined) return found;
        if (otherwise !== undefined) return otherwise;
        throw new ReferenceError(`nothing in the context is called \`${name}\``);
      },
      has: (name) => host.get(text(name, "context.has")) !== undefined,
      set(name, what) {
        host.set(text(name, "context.set"), String(what));
      },
    }),
    facts: () => parse(host.facts()),
    agent: Object.freeze({
      present: host.get("agent.present") === "true",
      version: host.get("agent.version") ?? "",
    }),
    exit(event, result) {
      host.exit(
        event === undefined ? null : text(event, "exit"),
        result === undefined ? null : String(result),
      );
    },
    ActivityError,
  };
  for (const kind of parse(activities)) own[kind] = activity(kind);
  for (const [name, what] of Object.entries(own)) {
    Object.defineProperty(globalThis, name, { value: what, writable: true, configurable: true });
  }

  // Where the machine is in time is read from files, which later cannot be opened.
  new Date(0).getTimezoneOffset();

  return {
    answer(id, json) {
      const settle = pending.get(id);
      pending.delete(id);
      settle?.(parse(json));
    },
    outcome(returned) {
      if (returned === undefined || returned === null) return {};
      if (typeof returned === "string") return { event: returned };
      if (typeof returned === "object") {
        const { event, result } = returned;
        if (event === undefined || event === null || typeof event === "string") {
          return {
            event: event ?? undefined,
            result: result === undefined || result === null ? undefined : shown(result),
          };
        }
      }
      return { wrong: shown(returned) };
    },
  };
})
