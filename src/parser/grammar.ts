/**
 * The grammar, in one place. It takes any sequence of tokens with balanced brackets (balance.ts sees to that): where a
 * word is missing or in excess it goes on, and to-ast.ts reports it in the user's words. So every mistake of a file is
 * found in one pass, and one mistake costs no more than its own line.
 */
import { CstParser, type ILookaheadStrategy, type IToken, LLkLookaheadStrategy, tokenMatcher } from "chevrotain";
import {
  Assign,
  allTokens,
  BadNumber,
  Colon,
  Every,
  False,
  From,
  Import,
  LCurly,
  Let,
  LRound,
  LSquare,
  Minus,
  Name,
  Num,
  Operator,
  Param,
  RCurly,
  RRound,
  RSquare,
  Separator,
  Stray,
  Text,
  True,
} from "./tokens.js";

type Alternation = Parameters<ILookaheadStrategy["buildLookaheadForAlternation"]>[0];
type Optional = Parameters<ILookaheadStrategy["buildLookaheadForOptional"]>[0];

/** LL(2) tables are computed at a decision's first use: most of a start's time went into those a file never meets. */
class LazyLookahead extends LLkLookaheadStrategy {
  override buildLookaheadForAlternation(
    options: Alternation,
  ): ReturnType<ILookaheadStrategy["buildLookaheadForAlternation"]> {
    return lazily(() => super.buildLookaheadForAlternation(options));
  }

  override buildLookaheadForOptional(options: Optional): () => boolean {
    return lazily(() => super.buildLookaheadForOptional(options));
  }
}

/** A function that is made at its first call; Chevrotain calls it as a method of the parser. */
function lazily<In extends unknown[], Out>(make: () => (...given: In) => Out): (...given: In) => Out {
  let made: ((...given: In) => Out) | undefined;
  return function (this: unknown, ...given: In): Out {
    made ??= make();
    return made.apply(this, given);
  };
}

export class LlmpParser extends CstParser {
  constructor() {
    super(allTokens, {
      nodeLocationTracking: "none",
      recoveryEnabled: true,
      maxLookahead: 2,
      lookaheadStrategy: new LazyLookahead({ maxLookahead: 2 }),
      // The grammar is checked by a test, not at each start.
      skipValidations: true,
    });
    this.performSelfAnalysis();
  }

  readonly file = this.RULE("file", () => {
    this.MANY(() => {
      this.OR([
        { ALT: () => this.CONSUME(Separator) },
        { ALT: () => this.SUBRULE(this.importItem) },
        { ALT: () => this.SUBRULE(this.paramItem) },
        { ALT: () => this.SUBRULE(this.letItem) },
        { ALT: () => this.SUBRULE(this.block) },
        { ALT: () => this.SUBRULE(this.stray) },
      ]);
    });
  });

  readonly importItem = this.RULE("importItem", () => {
    this.CONSUME(Import);
    this.OPTION(() => this.OR([{ ALT: () => this.CONSUME(Text) }, { ALT: () => this.CONSUME(Name) }]));
  });

  readonly paramItem = this.RULE("paramItem", () => {
    this.CONSUME(Param);
    this.OPTION(() => this.CONSUME(Name));
    this.OPTION2(() => {
      this.CONSUME(Colon);
      this.OPTION3(() => this.CONSUME2(Name, { LABEL: "type" }));
    });
    this.OPTION4(() => {
      this.CONSUME(Assign);
      this.OPTION5(() => this.SUBRULE(this.expr));
    });
  });

  readonly letItem = this.RULE("letItem", () => {
    this.CONSUME(Let);
    this.OPTION(() => this.CONSUME(Name));
    this.OPTION2(() => {
      this.OR([{ ALT: () => this.CONSUME(Assign) }, { ALT: () => this.CONSUME(Colon) }]);
      this.OPTION3(() => this.SUBRULE(this.expr));
    });
  });

  readonly block = this.RULE("block", () => {
    this.CONSUME(Name, { LABEL: "keyword" });
    this.OPTION(() =>
      this.OR([
        { ALT: () => this.CONSUME2(Name) },
        { ALT: () => this.CONSUME(Text) },
        { ALT: () => this.CONSUME(Num) },
      ]),
    );
    this.OPTION2(() =>
      this.OR2([
        {
          ALT: () => {
            this.CONSUME(Colon);
            this.OPTION3(() => this.CONSUME3(Name, { LABEL: "parent" }));
          },
        },
        {
          ALT: () => {
            this.CONSUME(Assign);
            this.OPTION4(() => this.SUBRULE(this.expr));
          },
        },
      ]),
    );
    this.OPTION5(() => {
      this.CONSUME(From);
      this.OPTION6(() => this.CONSUME4(Name, { LABEL: "stage" }));
    });
    this.OPTION7(() => this.SUBRULE(this.body));
  });

  readonly body = this.RULE("body", () => {
    this.CONSUME(LCurly);
    this.MANY(() => {
      this.OR([
        { ALT: () => this.CONSUME(Separator) },
        { ALT: () => this.SUBRULE(this.pair) },
        { ALT: () => this.SUBRULE(this.phase) },
        { ALT: () => this.SUBRULE(this.stray) },
      ]);
    });
    this.CONSUME(RCurly);
  });

  readonly pair = this.RULE("pair", () => {
    this.OR([{ ALT: () => this.CONSUME(Name) }, { ALT: () => this.CONSUME(Text) }]);
    this.OPTION(() => this.OR2([{ ALT: () => this.CONSUME(Assign) }, { ALT: () => this.CONSUME(Colon) }]));
    this.OPTION2(() => this.SUBRULE(this.expr));
  });

  readonly phase = this.RULE("phase", () => {
    this.CONSUME(From);
    this.OPTION(() => this.OR([{ ALT: () => this.CONSUME(Assign) }, { ALT: () => this.CONSUME(Colon) }]));
    this.OPTION2(() => this.SUBRULE(this.expr));
    this.OPTION3(() => this.SUBRULE(this.body));
  });

  /** Operators are read flat; to-ast.ts builds the tree by their precedence. */
  readonly expr = this.RULE("expr", () => {
    this.SUBRULE(this.operand);
    this.MANY(() => {
      this.CONSUME(Operator);
      this.OPTION(() => this.SUBRULE2(this.operand));
    });
  });

  readonly operand = this.RULE("operand", () => {
    this.OPTION(() => this.CONSUME(Minus));
    this.OPTION2(() => this.CONSUME(Every));
    this.OR([
      {
        ALT: () => {
          this.CONSUME(Num);
          this.OPTION3({
            GATE: () => this.unitFollows(),
            DEF: () => this.CONSUME(Name, { LABEL: "unit" }),
          });
        },
      },
      { ALT: () => this.CONSUME(BadNumber) },
      { ALT: () => this.CONSUME(Text) },
      { ALT: () => this.CONSUME(True) },
      { ALT: () => this.CONSUME(False) },
      {
        ALT: () => {
          this.CONSUME2(Name);
          this.OPTION4(() => this.SUBRULE(this.body));
        },
      },
      { ALT: () => this.SUBRULE2(this.body, { LABEL: "record" }) },
      { ALT: () => this.SUBRULE(this.list) },
      { ALT: () => this.SUBRULE(this.paren) },
    ]);
  });

  readonly list = this.RULE("list", () => {
    this.CONSUME(LSquare);
    this.MANY(() => {
      this.OR([
        { ALT: () => this.CONSUME(Separator) },
        { ALT: () => this.SUBRULE(this.expr) },
        { ALT: () => this.SUBRULE(this.stray) },
      ]);
    });
    this.CONSUME(RSquare);
  });

  readonly paren = this.RULE("paren", () => {
    this.CONSUME(LRound);
    this.MANY(() => {
      this.OR([
        { ALT: () => this.CONSUME(Separator) },
        { ALT: () => this.SUBRULE(this.expr) },
        { ALT: () => this.SUBRULE(this.stray) },
      ]);
    });
    this.CONSUME(RRound);
  });

  readonly stray = this.RULE("stray", () => {
    this.OR([
      { ALT: () => this.CONSUME(Stray) },
      { ALT: () => this.CONSUME(Assign) },
      { ALT: () => this.CONSUME(Colon) },
      { ALT: () => this.CONSUME(Minus) },
      { ALT: () => this.CONSUME(Num) },
      { ALT: () => this.CONSUME(BadNumber) },
      { ALT: () => this.CONSUME(True) },
      { ALT: () => this.CONSUME(False) },
      { ALT: () => this.CONSUME(Every) },
      { ALT: () => this.CONSUME(Text) },
      { ALT: () => this.CONSUME(Import) },
      { ALT: () => this.CONSUME(Param) },
      { ALT: () => this.CONSUME(Let) },
      { ALT: () => this.CONSUME(From) },
      { ALT: () => this.SUBRULE(this.list) },
      { ALT: () => this.SUBRULE(this.paren) },
      { ALT: () => this.SUBRULE(this.body) },
    ]);
  });

  /** `7 days`, but not the next key where its separator is missing (`a = 7 b = 8`). */
  private unitFollows(): boolean {
    const after: IToken = this.LA(2);
    return !tokenMatcher(after, Assign) && !tokenMatcher(after, Colon);
  }
}
