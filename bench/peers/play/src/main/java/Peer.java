import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.pekko.NotUsed;
import org.apache.pekko.stream.BoundedSourceQueue;
import org.apache.pekko.stream.Materializer;
import org.apache.pekko.stream.javadsl.BroadcastHub;
import org.apache.pekko.stream.javadsl.Keep;
import org.apache.pekko.stream.javadsl.Sink;
import org.apache.pekko.stream.javadsl.Source;
import play.BuiltInComponents;
import play.Mode;
import play.libs.Comet;
import play.libs.EventSource;
import play.mvc.Http;
import play.mvc.Results;
import play.routing.Router;
import play.routing.RoutingDsl;
import play.server.Server;

/** Play's own Comet and EventSource over channels that are Pekko's BroadcastHub: {@code Peer PORT}. */
public final class Peer {
  /** Messages that a subscriber may be behind; a power of two. */
  private static final int CAPACITY = 1024;

  private record Channel(BoundedSourceQueue<String> queue, Source<String, NotUsed> messages) {
    static Channel open(Materializer materializer) {
      var both =
          Source.<String>queue(CAPACITY)
              .toMat(BroadcastHub.of(String.class, CAPACITY), Keep.both())
              .run(materializer);
      // Without a consumer the hub would wait for one.
      both.second().runWith(Sink.ignore(), materializer);
      return new Channel(both.first(), both.second());
    }
  }

  private final ConcurrentHashMap<String, Channel> channels = new ConcurrentHashMap<>();
  private final Materializer materializer;

  private Peer(Materializer materializer) {
    this.materializer = materializer;
  }

  public static void main(String[] arguments) {
    // Play asks for the router with every request: it gets the same one.
    var router = new AtomicReference<Router>();
    Server.forRouter(
        Mode.PROD,
        Integer.parseInt(arguments[0]),
        components -> router.updateAndGet(made -> made == null ? router(components) : made));
  }

  private static Router router(BuiltInComponents components) {
    var peer = new Peer(components.materializer());
    return RoutingDsl.fromComponents(components)
        .GET("/comet/:channel")
        .routingTo(
            (request, channel) ->
                Results.ok()
                    .chunked(peer.messages(channel).via(Comet.string("parent.push")))
                    .as(Http.MimeTypes.HTML))
        .GET("/sse/:channel")
        .routingTo(
            (request, channel) ->
                Results.ok()
                    .chunked(
                        peer.messages(channel)
                            .map(EventSource.Event::event)
                            .via(EventSource.flow()))
                    .as(Http.MimeTypes.EVENT_STREAM))
        .POST("/publish/:channel")
        .routingTo(
            (request, channel) -> {
              peer.channel(channel.toString()).queue().offer(request.body().asText());
              return Results.ok();
            })
        .build();
  }

  private Source<String, NotUsed> messages(Object channel) {
    return channel(channel.toString()).messages();
  }

  private Channel channel(String name) {
    return channels.computeIfAbsent(name, absent -> Channel.open(materializer));
  }
}
