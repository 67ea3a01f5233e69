#include "gridcompute/cost/terms.hpp"

#include <algorithm>
#include <cmath>

#include "gridcompute/base/simd.hpp"

namespace gridcompute {

namespace {

GRIDCOMPUTE_CLONES void first(const double* table, double coef, Index n, double* GRIDCOMPUTE_RESTRICT out) {
  for (Index s = 0; s < n; ++s) out[s] = coef * table[s];
}

GRIDCOMPUTE_CLONES void first_two(const double* a, double x, const double* b, double y, Index n,
                                  double* GRIDCOMPUTE_RESTRICT out) {
  for (Index s = 0; s < n; ++s) out[s] = x * a[s] + y * b[s];
}

GRIDCOMPUTE_CLONES void add_one(const double* table, double coef, Index n, double* GRIDCOMPUTE_RESTRICT out) {
  for (Index s = 0; s < n; ++s) out[s] += coef * table[s];
}

GRIDCOMPUTE_CLONES void add_two(const double* a, double x, const double* b, double y, Index n,
                                double* GRIDCOMPUTE_RESTRICT out) {
  for (Index s = 0; s < n; ++s) out[s] = (out[s] + x * a[s]) + y * b[s];
}

// -inf and NaN come only from an infinite table entry: forbidden, like +inf.
GRIDCOMPUTE_CLONES void forbid(Index n, double* GRIDCOMPUTE_RESTRICT out) {
  constexpr double inf = std::numeric_limits<double>::infinity();
  for (Index s = 0; s < n; ++s) out[s] = std::fabs(out[s]) < inf ? out[s] : inf;
}

// The largest finite |x|.
double reach(const double* x, Index n) {
  double most = 0;
  for (Index k = 0; k < n; ++k) {
    const double a = std::fabs(x[k]);
    most = a > most && a < std::numeric_limits<double>::infinity() ? a : most;
  }
  return most;
}

bool all_finite(const double* x, Index n) {
  return std::all_of(x, x + n, [](double v) { return std::fabs(v) < std::numeric_limits<double>::infinity(); });
}

}  // namespace

TermsCost::TermsCost(std::vector<Term> terms, Index n_jobs, Index n_slots)
    : CostSource(n_jobs, n_slots), terms_(std::move(terms)), bound_(0) {
  for (const Term& t : terms_) {
    finite_ = finite_ && all_finite(t.table, t.n_keys * n_slots) && (t.coef == nullptr || all_finite(t.coef, n_jobs));
    bound_ += (t.coef != nullptr ? reach(t.coef, n_jobs) : 1.0) * reach(t.table, t.n_keys * n_slots);
  }
  // Finite products may still overflow together.
  finite_ = finite_ && bound_ < std::numeric_limits<double>::max() / 2;
  bound_ *= 1 + 1e-12;  // the roundings of this sum, and of the costs'
}

void TermsCost::reals(Rows rows, double* out) const {
  const Index n = n_slots(), m = static_cast<Index>(terms_.size());
  for (Index k = 0; k < rows.count; ++k, out += n) {
    const Index job = rows[k];
    const auto table = [&](Index t) {
      return terms_[t].table + (terms_[t].key != nullptr ? terms_[t].key[job] * n : 0);
    };
    const auto coef = [&](Index t) { return terms_[t].coef != nullptr ? terms_[t].coef[job] : 1.0; };
    Index t = 0;
    if (m >= 2) {
      first_two(table(0), coef(0), table(1), coef(1), n, out);
      t = 2;
    } else {
      first(table(0), coef(0), n, out);
      t = 1;
    }
    for (; t + 1 < m; t += 2) add_two(table(t), coef(t), table(t + 1), coef(t + 1), n, out);
    if (t < m) add_one(table(t), coef(t), n, out);
    if (!finite_) forbid(n, out);
  }
}

double TermsCost::real_at(Index job, Index slot) const {
  double sum = 0;
  for (std::size_t t = 0; t < terms_.size(); ++t) {
    const Term& term = terms_[t];
    const double product = (term.coef != nullptr ? term.coef[job] : 1.0) *
                           term.table[(term.key != nullptr ? term.key[job] * n_slots() : 0) + slot];
    sum = t == 0 ? product : sum + product;
  }
  constexpr double inf = std::numeric_limits<double>::infinity();
  return std::fabs(sum) < inf ? sum : inf;
}

}  // namespace gridcompute
