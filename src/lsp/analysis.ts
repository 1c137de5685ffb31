/**
 * Checks and plans of open documents, in two worker threads, so that the thread that answers the editor never waits.
 * A check starts when typing pauses; a plan when the file's meaning has changed and has no errors. What is stale is
 * cancelled: a plan under way by ending its worker, since a search does not look up.
 */
import path from "node:path";
import type { Worker } from "node:worker_threads";
import { hasErrors } from "../diagnostics/index.js";
import type { Document } from "./document.js";
import type { Project } from "./project.js";
import type { AnalysisReply, AnalysisRequest } from "./types.js";

/** Milliseconds after the last keystroke. */
const checkDelay = 120;
const planDelay = 300;

/** The last answers about one document. */
export interface Findings {
  /** Version that was checked. */
  readonly version: number;
  readonly checked: AnalysisReply;
  /** Of the same or an earlier meaning of the file. */
  readonly planned?: AnalysisReply;
  /** Whether `planned` still holds. */
  readonly current: boolean;
}

interface Job {
  readonly resolve: (reply: AnalysisReply | undefined) => void;
}

/** One thread, started when first asked. */
class Thread {
  #worker: Worker | undefined;
  readonly #jobs = new Map<number, Job>();

  constructor(readonly spawn: () => Worker) {}

  get busy(): boolean {
    return this.#jobs.size > 0;
  }

  /** `undefined`: cancelled. */
  ask(request: AnalysisRequest): Promise<AnalysisReply | undefined> {
    if (this.#worker === undefined) {
      const worker = this.spawn();
      this.#worker = worker;
      worker.unref();
      worker.on("message", (reply: AnalysisReply) => {
        this.#jobs.get(reply.id)?.resolve(reply);
        this.#jobs.delete(reply.id);
      });
      worker.on("error", (error) => {
        if (this.#worker === worker) this.#end({ failure: error instanceof Error ? error.message : String(error) });
      });
    }
    return new Promise((resolve) => {
      this.#jobs.set(request.id, { resolve });
      this.#worker?.postMessage(request);
    });
  }

  cancel(): void {
    if (this.#jobs.size === 0) return;
    void this.#worker?.terminate();
    this.#end();
  }

  stop(): Promise<unknown> {
    const worker = this.#worker;
    this.#end();
    return worker?.terminate() ?? Promise.resolve();
  }

  #end(failure?: { readonly failure: string }): void {
    this.#worker = undefined;
    for (const [id, job] of this.#jobs)
      job.resolve(failure === undefined ? undefined : { id, diagnostics: [], failure: failure.failure });
    this.#jobs.clear();
  }
}

export class Analysis {
  readonly #findings = new Map<string, Findings>();
  readonly #timers = new Map<string, NodeJS.Timeout>();
  readonly #check: Thread;
  readonly #plan: Thread;
  /** The document whose plan is under way. */
  #planning: string | undefined;
  readonly #waiting = new Set<string>();
  #draining = false;
  #id = 0;

  constructor(
    readonly project: Project,
    spawn: () => Worker,
    /** Called whenever there is something new to show. */
    readonly onFindings: (document: Document, what: "checked" | "planned") => void,
    readonly log: (text: string) => void,
  ) {
    this.#check = new Thread(spawn);
    this.#plan = new Thread(spawn);
  }

  of(document: Document): Findings | undefined {
    return this.#findings.get(document.path);
  }

  /** The document has changed: everything under way for it is stale. */
  changed(file: string, delay: number = checkDelay): void {
    clearTimeout(this.#timers.get(file));
    this.#timers.set(
      file,
      setTimeout(() => void this.#run(file), delay),
    );
  }

  closed(file: string): void {
    clearTimeout(this.#timers.get(file));
    this.#timers.delete(file);
    this.#findings.delete(file);
    this.#waiting.delete(file);
    if (this.#planning === file) this.#plan.cancel();
  }

  async #run(file: string): Promise<void> {
    const document = this.project.open.get(file);
    if (document === undefined) return;
    const checked = await this.#check.ask(this.#request(document, "check"));
    if (checked === undefined || this.project.open.get(file) !== document) return;
    if (checked.failure !== undefined) this.log(checked.failure);
    const before = this.#findings.get(file);
    const same = checked.meaning !== undefined && before?.planned?.meaning === checked.meaning;
    this.#findings.set(file, {
      version: document.version,
      checked,
      ...(before?.planned === undefined ? {} : { planned: before.planned }),
      current: same,
    });
    this.onFindings(document, "checked");
    if (same || hasErrors(checked.diagnostics) || checked.meaning === undefined) return;
    this.#timers.set(
      file,
      setTimeout(() => this.#queue(file), planDelay),
    );
  }

  #queue(file: string): void {
    this.#waiting.add(file);
    if (this.#planning === file) this.#plan.cancel();
    if (!this.#draining) void this.#drain();
  }

  async #drain(): Promise<void> {
    this.#draining = true;
    for (const file of this.#waiting) {
      this.#waiting.delete(file);
      const document = this.project.open.get(file);
      if (document === undefined) continue;
      this.#planning = file;
      const planned = await this.#plan.ask(this.#request(document, "plan"));
      this.#planning = undefined;
      if (planned === undefined) continue;
      if (planned.failure !== undefined) this.log(planned.failure);
      const now = this.#findings.get(file);
      // Typed on meanwhile, and now it means something else.
      if (now === undefined || now.checked.meaning !== planned.meaning) continue;
      this.#findings.set(file, { ...now, planned, current: true });
      this.onFindings(document, "planned");
    }
    this.#draining = false;
  }

  /** The plan as a page, from the text as it is now. */
  async report(document: Document): Promise<AnalysisReply | undefined> {
    return this.#check.ask(this.#request(document, "report"));
  }

  async stop(): Promise<void> {
    for (const timer of this.#timers.values()) clearTimeout(timer);
    await Promise.all([this.#check.stop(), this.#plan.stop()]);
  }

  #request(document: Document, kind: AnalysisRequest["kind"]): AnalysisRequest {
    const root = this.project.rootOf(document.path);
    const relative = (file: string): string => path.relative(root, file).split(path.sep).join("/");
    return {
      id: ++this.#id,
      kind,
      root,
      file: relative(document.path),
      texts: [...this.project.open.values()].map((d) => [relative(d.path), d.text] as const),
    };
  }
}
