#include "gridcompute/flow/dimacs.hpp"

#include <array>
#include <charconv>

#include "gridcompute/base/error.hpp"

namespace gridcompute::flow {

namespace {

bool blank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\v' || c == '\f'; }

class Reader {
 public:
  Reader(std::string_view text, const std::string& name) : text_(text), name_(name) {}

  Dimacs read() {
    while (!text_.empty()) {
      ++line_;
      const std::size_t end = text_.find('\n');
      rest_ = text_.substr(0, end);
      text_ = end == std::string_view::npos ? std::string_view{} : text_.substr(end + 1);
      line();
    }
    if (nodes_ < 0) fail("found no 'p min NODES ARCS' line");
    if (static_cast<std::int64_t>(out_.tail.size()) != arcs_)
      fail("found " + std::to_string(out_.tail.size()) + " arcs, the problem line says " + std::to_string(arcs_));
    return std::move(out_);
  }

 private:
  [[noreturn]] void fail(const std::string& what) const {
    throw Error(ErrorKind::invalid_problem, "path", line_, name_ + ", line " + std::to_string(line_) + ": " + what);
  }

  std::string_view word() {
    while (!rest_.empty() && blank(rest_.front())) rest_.remove_prefix(1);
    std::size_t length = 0;
    while (length < rest_.size() && !blank(rest_[length])) ++length;
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
      fail(std::string("needed ") + what + " of 64 bits, found '" + std::string(digits) + "'");
    if (error != std::errc{} || last != digits.data() + digits.size())
      fail(std::string("needed ") + what + ", an integer, found '" + std::string(digits) + "'");
    return value;
  }

  std::int64_t node(const char* what) {
    const std::int64_t id = number(what);
    if (id < 1 || id > nodes_)
      fail(std::string("needed ") + what + " in 1.." + std::to_string(nodes_) + ", found " + std::to_string(id));
    return id - 1;
  }

  void end_of_line() {
    if (const std::string_view more = word(); !more.empty())
      fail("needed the end of the line, found '" + std::string(more) + "'");
  }

  void line() {
    const std::string_view kind = word();
    if (kind.empty() || kind.front() == 'c') return;
    if (kind == "p") {
      problem_line();
    } else if (kind == "n" || kind == "a") {
      if (nodes_ < 0) fail("needed 'p min NODES ARCS' before this line");
      kind == "n" ? node_line() : arc_line();
    } else {
      fail("needed a line of kind c, p, n or a, found '" + std::string(kind) + "'");
    }
  }

  void problem_line() {
    if (nodes_ >= 0) fail("found a second problem line");
    if (const std::string_view type = word(); type != "min")
      fail("needed the problem type 'min', found '" + std::string(type) + "'");
    const std::int64_t nodes = number("the number of nodes");
    arcs_ = number("the number of arcs");
    if (nodes < 0 || arcs_ < 0) fail("needed numbers of nodes and arcs of at least 0");
    // A file cannot have more arcs than bytes; nodes may be isolated, but not without end.
    if (nodes > std::numeric_limits<std::int32_t>::max())
      fail("needed fewer than 2^31 nodes, found " + std::to_string(nodes));
    end_of_line();
    nodes_ = nodes;
    out_.supply.assign(at(nodes), 0);
    seen_.assign(at(nodes), false);
  }

  void node_line() {
    const std::int64_t v = node("a node");
    if (seen_[at(v)]) fail("found a second supply of node " + std::to_string(v + 1));
    seen_[at(v)] = true;
    out_.supply[at(v)] = number("a supply");
    end_of_line();
  }

  void arc_line() {
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

  std::string_view text_, rest_;
  const std::string& name_;
  Index line_ = 0;
  std::int64_t nodes_ = -1, arcs_ = 0;
  std::vector<bool> seen_;
  Dimacs out_;
};

void append(std::string& out, std::int64_t value, char after) {
  std::array<char, 24> digits;
  const auto [end, error] = std::to_chars(digits.data(), digits.data() + digits.size(), value);
  out.append(digits.data(), end);
  out.push_back(after);
}

}  // namespace

Dimacs read_dimacs(std::string_view text, const std::string& name) { return Reader(text, name).read(); }

std::string write_dimacs(const Problem& p) {
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
    append(out, p.least(e), ' ');
    append(out, p.capacity[e], ' ');
    append(out, p.cost[e], '\n');
  }
  return out;
}

}  // namespace gridcompute::flow
