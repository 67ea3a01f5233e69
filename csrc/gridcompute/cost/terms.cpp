#include "gridcompute/cost/terms.hpp"

#include <algorithm>
#include <cmath>

#include "gridcompute/base/simd.hpp"

namespace gridcompute {

namespace {

struct Product {
  const double* table;
  double coef;
};

// The first one to four terms at once: what is not written is not read again. The same sums, left to right.
template <int kTerms>
GRIDCOMPUTE_INLINE void sum_of(const Product* p, Index n, double* GRIDCOMPUTE_RESTRICT out) {
  const double *a = p[0].table, *b = p[1].table, *c = p[2].table, *d = p[3].table;
  const double w = p[0].coef, x = p[1].coef, y = p[2].coef, z = p[3].coef;
  for (Index s = 0; s < n; ++s) {
    double sum = w * a[s];
    if constexpr (kTerms > 1) sum += x * b[s];
    if constexpr (kTerms > 2) sum += y * c[s];
    if constexpr (kTerms > 3) sum += z * d[s];
    out[s] = sum;
  }
}

GRIDCOMPUTE_CLONES void first(const Product* p, Index terms, Index n, double* GRIDCOMPUTE_RESTRICT out) {
  switch (terms) {
    case 1:
      sum_of<1>(p, n, out);
      break;
    case 2:
      sum_of<2>(p, n, out);
      break;
    case 3:
      sum_of<3>(p, n, out);
      break;
    default:
      sum_of<4>(p, n, out);
      break;
  }
}

GRIDCOMPUTE_CLONES void add_one(const double* table, double coef, Index n, double* GRIDCOMPUTE_RESTRICT out) {
  for (Index s = 0; s < n; ++s) out[s] += coef * table[s];
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
    const auto product = [&](Index t) {
      const Term& term = terms_[t];
      return Product{term.table + (term.key != nullptr ? term.key[job] * n : 0),
                     term.coef != nullptr ? term.coef[job] : 1.0};
    };
    constexpr Index kFirst = 4;
    Product at[kFirst] = {};
    for (Index t = 0; t < std::min(kFirst, m); ++t) at[t] = product(t);
    first(at, m, n, out);
    for (Index t = kFirst; t < m; ++t) {
      const Product p = product(t);
      add_one(p.table, p.coef, n, out);
    }
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
