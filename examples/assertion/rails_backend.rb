# A Rails application in one file that accepts webhooks only with an assertion of countersign-gateway.

require "digest"
require "json"
require "logger"
require "net/http"
require "optparse"

require "action_controller/railtie"
require "jwt"
require "puma"

LARGEST_BODY = 16 * 1024 * 1024

given = { port: 3000, jwks: "http://127.0.0.1:9901/.well-known/jwks.json" }
OptionParser.new do |options|
  options.on("--port PORT", Integer)
  options.on("--jwks URL")
  options.on("--issuer ISSUER")
  options.on("--audience AUDIENCE")
end.parse!(into: given)
abort "--issuer and --audience are required" unless given[:issuer] && given[:audience]

# Verifies assertions with the key set of a gateway, which is cached and fetched again for an unknown key.
class Verifier
  class Unavailable < StandardError; end

  REQUIRED = %w[iss aud iat exp jti source scheme body_sha256].freeze
  PAUSE = 30

  def initialize(jwks:, issuer:, audience:, **)
    @url, @issuer, @audience = URI(jwks), issuer, audience
    @lock, @keys, @fetched = Mutex.new, nil, nil
  end

  # Returns the claims about a request with this body, or raises JWT::DecodeError.
  def claims(token, body)
    claims, = JWT.decode(token, nil, true, {
      # The jwt gem verifies Ed25519 only with another gem.
      algorithms: ["ES256"], jwks: method(:keys), required_claims: REQUIRED, leeway: 5,
      iss: @issuer, verify_iss: true, aud: @audience, verify_aud: true
    })
    same = claims["body_sha256"] == Digest::SHA256.hexdigest(body)
    same ? claims : raise(JWT::InvalidPayload, "the assertion is for another body")
  end

  private

  def keys(options)
    @lock.synchronize do
      is_unknown = options[:invalidate] || options[:kid_not_found]
      now = Process.clock_gettime(Process::CLOCK_MONOTONIC)
      if @keys.nil? || (is_unknown && now - @fetched > PAUSE)
        @keys = fetch
        @fetched = now
      end
      @keys
    end
  end

  def fetch
    http = Net::HTTP.new(@url.host, @url.port)
    http.use_ssl = @url.scheme == "https"
    http.open_timeout = http.read_timeout = 5
    response = http.get(@url.request_uri)
    raise Unavailable, "status #{response.code}" unless response.is_a?(Net::HTTPOK)
    JSON.parse(response.body, symbolize_names: true)
  rescue SystemCallError, SocketError, Timeout::Error, IOError, JSON::ParserError => error
    raise Unavailable, error.message
  end
end

VERIFIER = Verifier.new(**given)

# Runs an action only with a valid assertion for the body. `@webhook` has its claims.
module Asserted
  extend ActiveSupport::Concern

  included { before_action :verify_assertion }

  private

  def verify_assertion
    return respond(413, "the body is too large") if request.content_length.to_i > LARGEST_BODY
    @webhook = VERIFIER.claims(request.headers["countersign-assertion"].to_s, request.raw_post)
  rescue Verifier::Unavailable => error
    respond(503, "the key set cannot be fetched: #{error.message}")
  rescue JWT::DecodeError => error
    respond(401, "the assertion is rejected: #{error.message}")
  end

  def respond(status, text)
    render plain: "#{text}\n", status: status
  end
end

# The API class has no sessions, and so no CSRF tokens, which a sender could not have.
class WebhooksController < ActionController::API
  include Asserted

  def create
    respond(200, "#{@webhook["source"]}: #{@webhook["event_type"]} (#{@webhook["jti"]})")
  end
end

class Application < Rails::Application
  config.eager_load = false
  config.hosts.clear
  config.logger = Logger.new($stderr, level: Logger::WARN)
  config.secret_key_base = "not used: there are no sessions"
  routes.append { post "*path", to: "webhooks#create", format: false }
end

Application.initialize!
server = Puma::Server.new(Application)
server.add_tcp_listener("127.0.0.1", given[:port])
server.run.join
