#include "gridcompute/certificate/group_prices.hpp"

#include "gridcompute/base/error.hpp"

namespace gridcompute::certificate {

namespace {

// Reads the costs of some jobs.
class RowsOfCost final : public CostSource {
 public:
  RowsOfCost(const CostSource& all, std::span<const Index> jobs)
      : CostSource(std::ssize(jobs), all.n_slots()), all_(all), jobs_(jobs) {}

  [[nodiscard]] bool real() const noexcept override { return all_.real(); }
  [[nodiscard]] bool forbids() const noexcept override { return all_.forbids(); }
  void integers(Rows rows, Cost* out) const override {
    for (Index k = 0; k < rows.count; ++k) all_.integers(row(rows[k]), out + k * n_slots());
  }
  void reals(Rows rows, double* out) const override {
    for (Index k = 0; k < rows.count; ++k) all_.reals(row(rows[k]), out + k * n_slots());
  }

 private:
  [[nodiscard]] Rows row(Index k) const noexcept { return {&jobs_[static_cast<std::size_t>(k)], 0, 1}; }

  const CostSource& all_;
  std::span<const Index> jobs_;
};

}  // namespace

std::optional<Enclosure> least_costs(const TransportProblem& problem, std::span<const std::int32_t> group,
                                     std::span<const double> prices,
                                     std::span<const std::span<const double>> remainders, Pool& pool, Stop& stop) {
  std::vector<std::vector<Index>> members(remainders.size());
  for (std::size_t i = 0; i < group.size(); ++i) {
    const auto g = static_cast<std::size_t>(group[i]);
    if (group[i] < 0 || g >= members.size())
      throw Error(ErrorKind::internal, "group", static_cast<Index>(i),
                  "group[" + std::to_string(i) + "]: found " + std::to_string(group[i]) + ", needed less than " +
                      std::to_string(members.size()));
    members[g].push_back(static_cast<Index>(i));
  }
  TransportSums total;
  for (std::size_t g = 0; g < members.size(); ++g) {
    if (members[g].empty()) continue;
    if (!check_prices(prices, remainders[g], problem.cost->n_slots()).usable) return Enclosure{};
    const RowsOfCost cost(*problem.cost, members[g]);
    std::vector<std::int32_t> demand;
    std::vector<double> unplaced;
    for (const Index job : members[g]) {
      demand.push_back(static_cast<std::int32_t>(problem.weight(job)));
      unplaced.push_back(problem.out(job));
    }
    const TransportProblem part{&cost, problem.capacity, demand, unplaced};
    std::optional<TransportSums> sums = sum_jobs(part, {}, prices, remainders[g], true, 0, pool, stop);
    if (!sums) return std::nullopt;
    total.join(*sums);
  }
  if (total.invalid.count > 0) return Enclosure{};
  if (total.no_option.count > 0) return Enclosure{kInf, kInf, {}, {}};
  return Enclosure{total.low.down(), total.high.up(), {}, {}};
}

}  // namespace gridcompute::certificate
