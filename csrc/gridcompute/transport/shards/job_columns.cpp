#include "gridcompute/transport/shards/job_columns.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>
#include <type_traits>
#include <utility>

#include "gridcompute/cost/dense.hpp"

namespace gridcompute::transport {

namespace {

[[noreturn]] void refuse(const std::string& field, Index job, const std::string& found, const std::string& needed) {
  throw Error(ErrorKind::invalid_problem, field, job,
              field + "[" + std::to_string(job) + "]: found " + found + ", needed " + needed);
}

std::string column_name(std::size_t term, const char* part) { return "terms[" + std::to_string(term) + "]." + part; }

template <class Values>
void take_rows(const typename Values::value_type* from, std::span<const std::int32_t> rows, Values& to) {
  if (from == nullptr) return;
  const std::size_t before = to.size();
  to.resize(before + rows.size());
  for (std::size_t k = 0; k < rows.size(); ++k) to[before + k] = from[rows[k]];
}

template <class Values>
void take_merged(const Values& a, const Values& b, std::span<const Index> order, Values& to) {
  if (a.empty() && b.empty()) return;
  to.resize(order.size());
  const auto n = static_cast<Index>(a.size());
  for (std::size_t k = 0; k < order.size(); ++k) to[k] = order[k] < n ? a[at(order[k])] : b[at(order[k] - n)];
}

// Copies rows of `width` bytes, row(k) being the k-th; common widths are compiled in.
template <class Row>
void copy_rows(std::size_t count, std::size_t width, char* to, const Row& row) {
  const auto copy = [&](auto bytes) {
    for (std::size_t k = 0; k < count; ++k) std::memcpy(to + k * bytes, row(k), bytes);
  };
  switch (width) {
    case 1:
      return copy(std::integral_constant<std::size_t, 1>{});
    case 2:
      return copy(std::integral_constant<std::size_t, 2>{});
    case 4:
      return copy(std::integral_constant<std::size_t, 4>{});
    case 8:
      return copy(std::integral_constant<std::size_t, 8>{});
    default:
      return copy(width);
  }
}

constexpr Index kCheckedRows = 1 << 14;  // of a chunk

bool keys_fit(const std::int32_t* key, Index n, Index n_keys) {
  std::int32_t low = 0, high = -1;
  for (Index k = 0; k < n; ++k) low = std::min(low, key[k]), high = std::max(high, key[k]);
  return low >= 0 && high < n_keys;
}

// Returns the largest |value|; NaN where one is NaN or infinite. Uses independent lanes, which the compiler vectorises.
double largest_size(const double* values, Index n) {
  constexpr Index kLanes = 8;                     // independent extremes: compilers make vectors of them
  double most[kLanes] = {}, broken[kLanes] = {};  // broken: 0 where all are finite, else NaN
  Index k = 0;
  for (; k + kLanes <= n; k += kLanes) {
    for (Index l = 0; l < kLanes; ++l) {
      const double size = std::fabs(values[k + l]);
      most[l] = size > most[l] ? size : most[l];
      broken[l] += size * 0;
    }
  }
  for (; k < n; ++k) most[0] = std::max(most[0], std::fabs(values[k])), broken[0] += values[k] * 0;
  double all = 0, wrong = 0;
  for (Index l = 0; l < kLanes; ++l) all = std::max(all, most[l]), wrong += broken[l];
  return all + wrong;
}

// Throws for the first invalid value, column by column. first: the number of the first row's job.
[[noreturn]] void refuse_rows(const CostModel& model, const ColumnsView& columns, Index first) {
  for (std::size_t t = 0; t < model.tables.size(); ++t) {
    const CostModel::Table& table = model.tables[t];
    for (Index k = 0; table.keyed && k < columns.n; ++k) {
      const std::int32_t key = columns.key[t][k];
      if (key < 0 || key >= table.n_keys)
        refuse(column_name(t, "key"), first + k, std::to_string(key),
               "a row from 0 to " + std::to_string(table.n_keys - 1));
    }
    for (Index k = 0; table.scaled && k < columns.n; ++k) {
      const double coef = columns.coef[t][k];
      if (!std::isfinite(coef)) refuse(column_name(t, "coef"), first + k, shown(coef), "a finite number");
    }
  }
  for (Index k = 0; columns.unplaced != nullptr && k < columns.n; ++k) {
    const double cost = columns.unplaced[k];
    if (!(cost > -kInf)) refuse("unplaced", first + k, shown(cost), "a number, or inf for a job that must be placed");
  }
  throw Error(ErrorKind::internal, "", first, "shards: a check of columns found a value that no column has");
}

}  // namespace

ColumnsView ColumnsView::rows(Index first, Index count) const {
  ColumnsView part = *this;
  part.n = count;
  for (const std::int32_t*& keys : part.key) keys = keys != nullptr ? keys + first : nullptr;
  for (const double*& values : part.coef) values = values != nullptr ? values + first : nullptr;
  if (part.unplaced != nullptr) part.unplaced += first;
  for (Plain& column : part.plain) column.data += at(first) * column.width;
  return part;
}

ColumnExtents check_columns(const CostModel& model, const ColumnsView& columns, Index first, Pool& pool) {
  const std::size_t terms = model.tables.size();
  for (std::size_t t = 0; t < terms; ++t) {
    if (!model.tables[t].keyed && model.tables[t].n_keys == 0 && columns.n > 0)
      throw Error(ErrorKind::invalid_problem, column_name(t, "table"), -1,
                  column_name(t, "table") + ": found no rows, needed row 0");
  }
  std::vector<ColumnExtents> parts;
  pool.for_parts(parts, columns.n, kCheckedRows, [&](auto& part, Index begin, Index end) {
    const ColumnsView some = columns.rows(begin, end - begin);
    bool fits = true;
    for (std::size_t t = 0; t < terms; ++t) {
      const CostModel::Table& table = model.tables[t];
      if (table.keyed) fits &= keys_fit(some.key[t], some.n, table.n_keys);
      part.coef.push_back(table.scaled ? largest_size(some.coef[t], some.n) : 1);
      fits &= part.coef.back() < kInf;  // false for NaN too
    }
    for (Index k = 0; some.unplaced != nullptr && k < some.n; ++k) {
      const double cost = some.unplaced[k];
      fits &= cost > -kInf;
      if (cost < kInf) part.unplaced = std::max(part.unplaced, std::fabs(cost));
    }
    if (!fits) refuse_rows(model, some, first + begin);
  });
  ColumnExtents out;
  for (const CostModel::Table& table : model.tables) out.coef.push_back(table.scaled ? 0 : 1);
  for (const ColumnExtents& part : parts) {
    for (std::size_t t = 0; t < terms; ++t) out.coef[t] = std::max(out.coef[t], part.coef[t]);
    out.unplaced = std::max(out.unplaced, part.unplaced);
  }
  return out;
}

JobColumns::JobColumns(const CostModel& model) : keys_(model.tables.size()), coefs_(model.tables.size()) {
  for (const std::size_t width : model.plain) plain_.push_back({width, {}});
}

std::size_t JobColumns::bytes_a_row() const noexcept {
  std::size_t bytes = keys_.size() * (sizeof(std::int32_t) + sizeof(double)) + sizeof(double);
  for (const Plain& column : plain_) bytes += column.width;
  return bytes;
}

void JobColumns::append(const ColumnsView& from, std::span<const std::int32_t> rows) {
  for (std::size_t t = 0; t < keys_.size(); ++t) {
    take_rows(from.key[t], rows, keys_[t]);
    take_rows(from.coef[t], rows, coefs_[t]);
  }
  take_rows(from.unplaced, rows, unplaced_);
  for (std::size_t c = 0; c < plain_.size(); ++c) {
    auto& [width, bytes] = plain_[c];
    const std::size_t before = bytes.size();
    bytes.resize(before + rows.size() * width);
    const char* const data = from.plain[c].data;
    copy_rows(rows.size(), width, bytes.data() + before,
              [&](std::size_t k) { return data + at(rows[k]) * from.plain[c].width; });
  }
  n_ += static_cast<Index>(rows.size());
}

void JobColumns::append(const JobColumns& other) {
  const auto add = [](auto& to, const auto& more) { to.insert(to.end(), more.begin(), more.end()); };
  for (std::size_t t = 0; t < keys_.size(); ++t) add(keys_[t], other.keys_[t]), add(coefs_[t], other.coefs_[t]);
  add(unplaced_, other.unplaced_);
  for (std::size_t c = 0; c < plain_.size(); ++c) add(plain_[c].bytes, other.plain_[c].bytes);
  n_ += other.n_;
}

void JobColumns::reserve(Index rows) {
  for (auto& keys : keys_) keys.reserve(at(rows));
  for (auto& coefs : coefs_) coefs.reserve(at(rows));
  for (Plain& column : plain_) column.bytes.reserve(at(rows) * column.width);
}

JobColumns JobColumns::merged(const JobColumns& other, std::span<const Index> order) const {
  JobColumns out;
  out.n_ = static_cast<Index>(order.size());
  out.keys_.resize(keys_.size()), out.coefs_.resize(coefs_.size());
  for (std::size_t t = 0; t < keys_.size(); ++t) {
    take_merged(keys_[t], other.keys_[t], order, out.keys_[t]);
    take_merged(coefs_[t], other.coefs_[t], order, out.coefs_[t]);
  }
  take_merged(unplaced_, other.unplaced_, order, out.unplaced_);
  for (std::size_t c = 0; c < plain_.size(); ++c) {
    const std::size_t width = plain_[c].width;
    const char *const first = plain_[c].bytes.data(), *const second = other.plain_[c].bytes.data();
    out.plain_.push_back({width, DefaultInitVector<char>(order.size() * width)});
    copy_rows(order.size(), width, out.plain_[c].bytes.data(), [&](std::size_t k) {
      const Index at = order[k];
      return (at < n_ ? first + static_cast<std::size_t>(at) * width
                      : second + static_cast<std::size_t>(at - n_) * width);
    });
  }
  return out;
}

ColumnsView JobColumns::view() const {
  ColumnsView out;
  out.n = n_;
  for (const auto& key : keys_) out.key.push_back(key.empty() ? nullptr : key.data());
  for (const auto& coef : coefs_) out.coef.push_back(coef.empty() ? nullptr : coef.data());
  out.unplaced = unplaced_.empty() ? nullptr : unplaced_.data();
  for (const Plain& column : plain_) out.plain.push_back({column.bytes.data(), column.width});
  return out;
}

void JobColumns::write(MessageWriter& out) const {
  out.put(n_);
  for (std::size_t t = 0; t < keys_.size(); ++t) out.put(keys_[t], coefs_[t]);
  out.put(unplaced_);
  for (const Plain& column : plain_) out.put(column.bytes);
}

JobColumns JobColumns::read(MessageReader& in, const CostModel& model) {
  JobColumns out(model);
  in.get(out.n_);
  const auto take = [&](auto& column, bool any, std::size_t width) {
    in.get(column);
    const std::size_t rows = column.size() / width;
    require_message(column.size() % width == 0 && out.n_ >= 0 && rows == (any ? at(out.n_) : 0),
                    "it has columns of other lengths");
  };
  for (std::size_t t = 0; t < out.keys_.size(); ++t) {
    take(out.keys_[t], model.tables[t].keyed, 1);
    take(out.coefs_[t], model.tables[t].scaled, 1);
  }
  take(out.unplaced_, model.unplaced == CostModel::Unplaced::column, 1);
  for (Plain& column : out.plain_) take(column.bytes, true, column.width);
  return out;
}

std::unique_ptr<CostSource> make_cost(const CostModel& model, const ColumnsView& columns, const TermsScope& scope) {
  const Index n = columns.n, n_slots = model.n_slots;
  if (model.form == CostModel::Form::formula) {
    std::vector<std::uint64_t> words = model.words;
    words[0] = static_cast<std::uint64_t>(n);
    for (std::size_t c = 0; c < model.places.size(); ++c) {
      words[model.places[c]] = reinterpret_cast<std::uintptr_t>(columns.plain[c].data);
      words[model.places[c] + 1] = static_cast<std::uint64_t>(n);
    }
    return std::make_unique<CallbackCost>(model.formula, std::move(words), n, n_slots, scope.first);
  }
  if (model.form == CostModel::Form::matrix_float)
    return std::make_unique<DenseCost<float>>(reinterpret_cast<const float*>(columns.plain[0].data), n, n_slots,
                                              scope.first);
  if (model.form == CostModel::Form::matrix_double)
    return std::make_unique<DenseCost<double>>(reinterpret_cast<const double*>(columns.plain[0].data), n, n_slots,
                                               scope.first);
  std::vector<Term> terms;
  for (std::size_t t = 0; t < model.tables.size(); ++t)
    terms.push_back({model.tables[t].entries, model.tables[t].n_keys, columns.key[t], columns.coef[t]});
  return std::make_unique<TermsCost>(std::move(terms), n, n_slots, std::vector<DefaultInitVector<double>>{}, &scope);
}

void set_unplaced(const CostModel& model, const ColumnsView& columns, Problem& problem) {
  // A pointer that is not null says that jobs may stay unplaced, also where no row is here.
  problem.unplaced = model.unplaced == CostModel::Unplaced::never ? nullptr
                     : columns.unplaced != nullptr                ? columns.unplaced
                                                                  : &model.unplaced_cost;
  problem.unplaced_stride = columns.unplaced != nullptr ? 1 : 0;
}

void GatheredCost::hold(JobColumns columns, std::vector<Index> positions) {
  cost_.reset();
  columns_ = std::move(columns);
  positions_ = std::move(positions);
  cost_ = make_cost(model_, columns_.view(), scope_);
}

}  // namespace gridcompute::transport
