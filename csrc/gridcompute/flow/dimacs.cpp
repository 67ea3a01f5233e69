#include "gridcompute/flow/dimacs.hpp"

#include <array>
#include <charconv>

#include "gridcompute/base/error.hpp"

namespace gridcompute::flow {

namespace {

constexpr std::size_t kMaxLineBytes = 1 << 20;                    // of a line; longer ones are refused
constexpr std::int64_t kMaxUnnamedNodes = std::int64_t{1} << 22;  // nodes beyond one per byte that no line names
constexpr std::size_t kMaxQuoted = 40;                            // characters of a word that a message quotes

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\v' || c == '\f'; }

// Quotes a word for a message: short, and in ASCII whatever the file's encoding is.
std::string quoted(std::string_view word) {
  constexpr const char* kHex = "0123456789abcdef";  // digits
  std::string out = "'";
  for (const char c : word.substr(0, kMaxQuoted)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte < 0x7f) {
      out += c;
    } else {
      out += "\\x";
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    }
  }
  return out + (word.size() > kMaxQuoted ? "...'" : "'");
}

}  // namespace

class DimacsReader::State {
 public:
  explicit State(std::string name) : name_(std::move(name)) {}

  void feed(std::string_view bytes) {
    while (!bytes.empty()) {
      const std::size_t end = bytes.find('\n');
      const std::string_view piece = bytes.substr(0, end);
      if (partial_line_.size() + piece.size() > kMaxLineBytes) {
        ++line_;
        fail("found a line of more than " + std::to_string(kMaxLineBytes) + " bytes, needed a shorter one");
      }
      read_ += static_cast<std::int64_t>(piece.size()) + (end == std::string_view::npos ? 0 : 1);
      bytes = end == std::string_view::npos ? std::string_view{} : bytes.substr(end + 1);
      if (end == std::string_view::npos) {
        partial_line_ += piece;
      } else if (partial_line_.empty()) {
        line(piece);
      } else {
        partial_line_ += piece;
        line(partial_line_);
        partial_line_.clear();
      }
    }
  }

  Dimacs finish() {
    if (!partial_line_.empty()) line(partial_line_);
    if (nodes_ < 0) fail("found no 'p min NODES ARCS' line");
    if (const auto found = static_cast<std::int64_t>(out_.tail.size()); found != arcs_)
      fail("found " + std::to_string(found) + " arcs, needed " + std::to_string(arcs_) + ": the problem line (line " +
           std::to_string(problem_line_) + ") says so");
    if (nodes_ > read_ + kMaxUnnamedNodes) {
      line_ = problem_line_;
      fail("found " + std::to_string(nodes_) + " nodes, needed at most " + std::to_string(read_ + kMaxUnnamedNodes) +
           ": a text of " + std::to_string(read_) + " bytes names no more");
    }
    out_.supply.assign(at(nodes_), 0);
    std::vector<bool> seen(at(nodes_), false);
    for (const NodeLine& n : node_lines_) {
      if (seen[at(n.node)]) {
        line_ = n.line;
        fail("found a second supply of node " + std::to_string(n.node + 1));
      }
      seen[at(n.node)] = true;
      out_.supply[at(n.node)] = n.supply;
    }
    return std::move(out_);
  }

 private:
  struct NodeLine {
    Index line;
    std::int64_t node, supply;
  };

  [[noreturn]] void fail(const std::string& what) const {
    throw Error(ErrorKind::invalid_problem, "path", line_, name_ + ", line " + std::to_string(line_) + ": " + what);
  }

  std::string_view word() {
    while (!rest_.empty() && is_blank(rest_.front())) rest_.remove_prefix(1);
    std::size_t length = 0;
    while (length < rest_.size() && !is_blank(rest_[length])) ++length;
    const std::string_view out = rest_.substr(0, length);
    rest_.remove_prefix(length);
    return out;
  }

  std::int64_t number(const char* what) {
    const std::string_view digits = word();
    if (digits.empty()) fail(std::string("needed ") + what + ", the line ends");
    const char* first = digits.data() + (digits.size() > 1 && digits[0] == '+' && digits[1] != '-');
    std::int64_t value = 0;
    const auto [last, error] = std::from_chars(first, digits.data() + digits.size(), value);
    if (error == std::errc::result_out_of_range)
      fail(std::string("needed ") + what + " of 64 bits, found " + quoted(digits));
    if (error != std::errc{} || last != digits.data() + digits.size())
      fail(std::string("needed ") + what + ", an integer, found " + quoted(digits));
    return value;
  }

  std::int64_t node(const char* what) {
    const std::int64_t id = number(what);
    if (id < 1 || id > nodes_)
      fail(std::string("needed ") + what + " in 1.." + std::to_string(nodes_) + ", found " + std::to_string(id));
    return id - 1;
  }

  void end_of_line() {
    if (const std::string_view more = word(); !more.empty()) fail("needed the end of the line, found " + quoted(more));
  }

  void line(std::string_view text) {
    ++line_;
    if (line_ == 1) {
      if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
      if (text.starts_with("\xFF\xFE") || text.starts_with("\xFE\xFF"))
        fail("found a byte order mark of UTF-16 or UTF-32, needed plain ASCII text");
    }
    if (text.find('\0') != std::string_view::npos) fail("found a zero byte, needed plain ASCII text");
    rest_ = text;
    const std::string_view kind = word();
    if (kind.empty() || kind.front() == 'c') return;
    if (kind == "p") {
      problem_line();
    } else if (kind == "n" || kind == "a") {
      if (nodes_ < 0) fail("needed 'p min NODES ARCS' before this line");
      kind == "n" ? node_line() : arc_line();
    } else {
      fail("needed a line of kind c, p, n or a, found " + quoted(kind));
    }
  }

  void problem_line() {
    if (nodes_ >= 0) fail("found a second problem line");
    if (const std::string_view type = word(); type != "min")
      fail("needed the problem type 'min', found " + quoted(type));
    const std::int64_t nodes = number("the number of nodes");
    arcs_ = number("the number of arcs");
    if (nodes < 0 || arcs_ < 0) fail("needed numbers of nodes and arcs of at least 0");
    if (nodes > std::numeric_limits<std::int32_t>::max())
      fail("needed fewer than 2^31 nodes, found " + std::to_string(nodes));
    end_of_line();
    nodes_ = nodes;
    problem_line_ = line_;
  }

  void node_line() {
    const std::int64_t v = node("a node");
    node_lines_.push_back({line_, v, number("a supply")});
    end_of_line();
  }

  void arc_line() {
    if (static_cast<std::int64_t>(out_.tail.size()) == arcs_)
      fail("found more arcs than " + std::to_string(arcs_) + ", which the problem line (line " +
           std::to_string(problem_line_) + ") says");
    out_.tail.push_back(node("a tail"));
    out_.head.push_back(node("a head"));
    out_.lower.push_back(number("a lower bound"));
    out_.capacity.push_back(number("a capacity"));
    out_.cost.push_back(number("a cost"));
    if (out_.capacity.back() < out_.lower.back())
      fail("needed a capacity of at least the lower bound " + std::to_string(out_.lower.back()) + ", found " +
           std::to_string(out_.capacity.back()));
    end_of_line();
  }

  std::string name_, partial_line_;  // partial_line_: the beginning of a line
  std::string_view rest_;
  Index line_ = 0, problem_line_ = 0;
  std::int64_t nodes_ = -1, arcs_ = 0, read_ = 0;  // read_: bytes
  std::vector<NodeLine> node_lines_;
  Dimacs out_;
};

DimacsReader::DimacsReader(std::string name) : state_(std::make_unique<State>(std::move(name))) {}
DimacsReader::DimacsReader(DimacsReader&&) noexcept = default;
DimacsReader& DimacsReader::operator=(DimacsReader&&) noexcept = default;
DimacsReader::~DimacsReader() = default;

void DimacsReader::feed(std::string_view bytes) {
  if (!state_) throw Error(ErrorKind::internal, "", -1, "a DIMACS reader that has ended is fed");
  state_->feed(bytes);
}

Dimacs DimacsReader::finish() {
  if (!state_) throw Error(ErrorKind::internal, "", -1, "a DIMACS reader ends twice");
  const std::unique_ptr<State> last = std::move(state_);
  return last->finish();
}

namespace {

void append(std::string& out, std::int64_t value, char after) {
  std::array<char, 24> digits;
  const auto [end, error] = std::to_chars(digits.data(), digits.data() + digits.size(), value);
  out.append(digits.data(), end);
  out.push_back(after);
}

}  // namespace

std::string write_dimacs(const MinCostFlow& p) {
  std::string out = "p min ";
  append(out, p.n, ' ');
  append(out, static_cast<std::int64_t>(p.tail.size()), '\n');
  for (Index v = 0; v < p.n; ++v) {
    if (p.supply[at(v)] == 0) continue;
    out += "n ";
    append(out, v + 1, ' ');
    append(out, p.supply[at(v)], '\n');
  }
  for (std::size_t e = 0; e < p.tail.size(); ++e) {
    out += "a ";
    append(out, p.tail[e] + 1, ' ');
    append(out, p.head[e] + 1, ' ');
    append(out, p.lower_bound(e), ' ');
    append(out, p.capacity[e], ' ');
    append(out, p.cost[e], '\n');
  }
  return out;
}

}  // namespace gridcompute::flow
