using System.Runtime.CompilerServices;
using Ambient.Node.Telemetry.Metrics;

namespace Ambient.Node.Requests;

/// <summary>
/// What one thread has counted of requests and nobody has asked for yet: eight numbers of a series are memory that all threads would write in turn, which
/// costs more than the request's own. The series that come up most have a place each; one that comes to a place of another's makes it count at once.
/// </summary>
internal sealed class RequestTally
{
    private const int MostPlaces = 32;

    private readonly Lock _gate = new();
    private readonly Place?[] _places = new Place?[MostPlaces];

    /// <summary>Counts a request that has ended.</summary>
    public void Count(RequestMetrics.Series series, in RequestSummary summary)
    {
        lock (_gate)
        {
            var place = _places[RuntimeHelpers.GetHashCode(series) % MostPlaces] ??= new Place();
            if (!ReferenceEquals(place.Series, series))
            {
                place.Flush();
                place.Series = series;
            }

            place.Requests++;
            series.Duration?.Observe(summary.Duration.TotalMilliseconds, ref place.Duration);
            series.RequestBytes?.Observe(summary.RequestBytes, ref place.RequestBytes);
            series.ResponseBytes?.Observe(summary.ResponseBytes, ref place.ResponseBytes);
        }
    }

    /// <summary>Everything so far counts where it is read. Any thread.</summary>
    public void Flush()
    {
        lock (_gate)
        {
            foreach (var place in _places)
            {
                place?.Flush();
            }
        }
    }

    private sealed class Place
    {
        public RequestMetrics.Series? Series;
        public long Requests;
        public HistogramTally Duration;
        public HistogramTally RequestBytes;
        public HistogramTally ResponseBytes;

        public void Flush()
        {
            if (Series is not { } series || Requests == 0)
            {
                return;
            }

            series.Requests?.Add(Requests);
            series.Duration?.Take(ref Duration);
            series.RequestBytes?.Take(ref RequestBytes);
            series.ResponseBytes?.Take(ref ResponseBytes);
            Requests = 0;
        }
    }
}
