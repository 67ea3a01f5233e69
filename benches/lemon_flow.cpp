// Times LEMON on one instance: argv = algorithm (ns | cs), path of int64s: n, m, then columns tail, head, capacity,
// cost (m each, sorted by tail) and supply (n). Prints the optimal cost and the seconds of building and solving.
#include <lemon/cost_scaling.h>
#include <lemon/network_simplex.h>
#include <lemon/static_graph.h>

#include <chrono>
#include <cstdint>
#include <fstream>
#include <iostream>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

namespace {

using Graph = lemon::StaticDigraph;
using Value = std::int64_t;

struct Columns {
  std::size_t n = 0, m = 0;
  std::vector<Value> values;
  const Value* tail() const { return values.data(); }
  const Value* head() const { return tail() + m; }
  const Value* capacity() const { return head() + m; }
  const Value* cost() const { return capacity() + m; }
  const Value* supply() const { return cost() + m; }
};

Columns load(const char* path) {
  std::ifstream file(path, std::ios::binary);
  Value size[2] = {0, 0};
  file.read(reinterpret_cast<char*>(size), sizeof size);
  Columns c;
  c.n = static_cast<std::size_t>(size[0]);
  c.m = static_cast<std::size_t>(size[1]);
  c.values.resize(4 * c.m + c.n);
  file.read(reinterpret_cast<char*>(c.values.data()), static_cast<std::streamsize>(c.values.size() * sizeof(Value)));
  return c;
}

template <class Solver>
Value solve(const Columns& c) {
  std::vector<std::pair<int, int>> ends;
  ends.reserve(c.m);
  for (std::size_t e = 0; e < c.m; ++e) ends.emplace_back(static_cast<int>(c.tail()[e]), static_cast<int>(c.head()[e]));
  Graph graph;
  graph.build(static_cast<int>(c.n), ends.begin(), ends.end());
  Graph::ArcMap<Value> capacity(graph), cost(graph);
  Graph::NodeMap<Value> supply(graph);
  for (std::size_t e = 0; e < c.m; ++e) {
    const auto arc = graph.arc(static_cast<int>(e));
    capacity[arc] = c.capacity()[e];
    cost[arc] = c.cost()[e];
  }
  for (std::size_t v = 0; v < c.n; ++v) supply[graph.node(static_cast<int>(v))] = c.supply()[v];
  Solver solver(graph);
  solver.upperMap(capacity).costMap(cost).supplyMap(supply);
  solver.run();
  return solver.template totalCost<Value>();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  const Columns columns = load(argv[2]);
  const auto start = std::chrono::steady_clock::now();
  const Value total = std::string(argv[1]) == "cs" ? solve<lemon::CostScaling<Graph, Value, Value>>(columns)
                                                   : solve<lemon::NetworkSimplex<Graph, Value, Value>>(columns);
  const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - start;
  std::cout << total << ' ' << spent.count() << '\n';
}
