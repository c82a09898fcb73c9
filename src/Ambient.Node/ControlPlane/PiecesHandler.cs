using System.Net;

namespace Ambient.Node.ControlPlane;

/// <summary>Has the messages of answers come as <see cref="MessagePieces"/>.</summary>
/// <param name="inner">Makes the calls.</param>
/// <param name="field">Takes long fields.</param>
internal sealed class PiecesHandler(HttpMessageHandler inner, LongField field) : DelegatingHandler(inner)
{
    /// <inheritdoc/>
    protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        var response = await base.SendAsync(request, cancellationToken).ConfigureAwait(false);
        response.Content = new Pieces(response.Content, field);
        return response;
    }

    private sealed class Pieces : HttpContent
    {
        private readonly HttpContent _whole;
        private readonly LongField _field;

        public Pieces(HttpContent whole, LongField field)
        {
            (_whole, _field) = (whole, field);
            foreach (var (name, values) in whole.Headers)
            {
                Headers.TryAddWithoutValidation(name, values);
            }
        }

        protected override async Task<Stream> CreateContentReadStreamAsync() => new MessagePieces(await _whole.ReadAsStreamAsync().ConfigureAwait(false), _field);

        protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context) => throw new NotSupportedException();

        protected override bool TryComputeLength(out long length)
        {
            length = 0;
            return false;
        }

        protected override void Dispose(bool disposing)
        {
            if (disposing)
            {
                _whole.Dispose();
            }

            base.Dispose(disposing);
        }
    }
}
